"""Time and chance: the clocks, and where ids and draws come from."""

from typing import Protocol


class Clock(Protocol):
    """The two clocks: one to write down, one to measure with."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""
        ...


class Ids(Protocol):
    """Where ids and random draws come from."""

    def request_id(self) -> str:
        """Make an id that sorts by time and is unique across nodes."""
        ...

    def draw(self) -> float:
        """Draw a number uniformly from [0, 1)."""
        ...
