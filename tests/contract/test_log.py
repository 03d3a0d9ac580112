"""Every log takes every event and access line without an error."""

import os
from collections.abc import Iterator
from typing import Literal

import pytest

from tests.records import a_record
from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.logs.stream import StreamLog
from tidegate.ports.log import Log


@pytest.fixture(params=["memory", "json", "text"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    style: Literal["memory", "json", "text"] = request.param
    if style == "memory":
        yield MemoryLog()
        return
    descriptor = os.open(os.devnull, os.O_WRONLY)
    made = StreamLog(descriptor, style, SystemClock())
    made.open()
    yield made
    made.close()
    os.close(descriptor)


@pytest.mark.parametrize(
    "value", ["", "a b", "\n", "\ud800", "é", 0, -1.5, float("nan"), True, None]
)
def test_any_field_is_taken(log: Log, *, value: str | float | bool | None) -> None:
    log.event("some.event", field=value)


def test_any_record_is_taken(log: Log) -> None:
    log.access(a_record())
    log.access(a_record(source=None, tier=None, upstream=None, error="NoAnswer", reason="\udcff"))


def test_the_memory_log_can_be_read() -> None:
    made = MemoryLog()
    made.event("config.reloaded", generation=2)
    made.access(a_record("r1"))
    assert list(made.events) == [("config.reloaded", {"generation": 2})]
    assert [record.request_id for record in made.records] == ["r1"]
