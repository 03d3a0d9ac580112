from collections.abc import Callable

import pytest

from tidegate.node.loop_lag import EVERY_S, LoopLag


class ManualLoop:
    """Implements `loop_lag.Loop`: its time is moved by a test; knows one timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: float | None = None
        self.call: Callable[[], object] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> "ManualLoop":
        self.due, self.call = when, callback
        return self

    def cancel(self) -> None:
        self.due = self.call = None

    def wake(self, late_s: float) -> None:
        assert self.due is not None
        assert self.call is not None
        self.now = self.due + late_s
        self.call()


def test_how_late_each_wake_up_came_is_counted() -> None:
    counted: list[float] = []
    loop = ManualLoop()
    lag = LoopLag(counted.append)
    lag.start(loop)
    for late_s in (0.0, 0.004, 0.1):
        loop.wake(late_s)

    assert counted == pytest.approx([0.0, 0.004, 0.1])
    assert loop.due == pytest.approx(loop.now + EVERY_S)


def test_it_ends() -> None:
    loop = ManualLoop()
    lag = LoopLag(lambda _: None)
    lag.stop()
    lag.start(loop)
    lag.stop()

    assert loop.call is None
