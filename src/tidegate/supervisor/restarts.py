"""When a worker that ended is started again, and when that is no use. Pure."""

from collections.abc import Sequence

WINDOW_S = 60.0
MOST_ENDINGS = 5
"""Within the window; a worker that ends more often will not get well by being started."""

FIRST_S = 0.1
FACTOR = 2.0


def next_start(endings: Sequence[float], now: float) -> float | None:
    """Give the seconds to wait before the next start; None: give up.

    `endings` are the times at which this worker ended, the last of them now.
    """
    recent = sum(now - WINDOW_S < at <= now for at in endings)
    if recent > MOST_ENDINGS:
        return None
    # The first ending is most likely an accident, so clients need not wait for it.
    return 0.0 if recent <= 1 else FIRST_S * FACTOR ** (recent - 2)
