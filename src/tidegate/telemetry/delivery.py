"""What to do with a batch of traces after the collector has answered, or has not."""

from dataclasses import dataclass
from typing import Literal

from tidegate.domain.trace import Delivery

TRIES = 5
"""With the pauses between them about a quarter of a minute for a collector that restarts."""

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_LONGEST_RETRY_AFTER_S = 600.0
"""A collector may ask for more; by then the queue is full and the oldest traces are of no use."""

_TAKEN = range(200, 300)
_RETRIED = frozenset({429, 502, 503, 504})
"""All that the specification lists; any other error is for good."""

Lost = Literal["refused", "unreachable"]


@dataclass(frozen=True, slots=True)
class Again:
    """Send the same batch after a pause."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """The collector has the batch."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The batch is lost."""

    why: Lost


def next_step(delivery: Delivery, tries: int, draw: float) -> Again | Done | GiveUp:
    """Decide after `tries` attempts; `draw` from [0, 1) spreads nodes that were refused at once."""
    status = delivery.status
    if status is not None and status in _TAKEN:
        return Done()
    if status is not None and status not in _RETRIED:
        return GiveUp("refused")
    if tries >= TRIES:
        return GiveUp("unreachable" if status is None else "refused")
    backoff_s = min(_FIRST_PAUSE_S * 2.0 ** (tries - 1), _LONGEST_PAUSE_S) * (0.5 + draw)
    asked_s = min(delivery.retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S)
    return Again(max(backoff_s, asked_s))
