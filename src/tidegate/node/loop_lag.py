"""How late the event loop is: what blocks it delays every request of the process."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

EVERY_S = 0.02
"""How often it is asked: fifty wake-ups a second cost a thousandth of a core, and what blocks for
5 ms is met one time in four."""
BOUNDS = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class Timer(Protocol):
    """A wake-up that was asked for."""

    def cancel(self) -> None:
        """Do not wake."""
        ...


class Loop(Protocol):
    """The part of an event loop that is used."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call at a time."""
        ...


class LoopLag:
    """Asks to be woken again and again, and counts by how much each time was missed."""

    def __init__(self, count: Callable[[float], None]) -> None:
        """`count` gets seconds."""
        self._count = count
        self._timer: Timer | None = None

    def start(self, loop: Loop) -> None:
        """Begin; ends with `stop`."""
        self._ask(loop, loop.time() + EVERY_S)

    def stop(self) -> None:
        """End; harmless before `start`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ask(self, loop: Loop, due: float) -> None:
        self._timer = loop.call_at(due, partial(self._woken, loop, due))

    def _woken(self, loop: Loop, due: float) -> None:
        now = loop.time()
        self._count(max(0.0, now - due))
        self._ask(loop, now + EVERY_S)
