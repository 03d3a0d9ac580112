import errno
import os
import threading
from select import PIPE_BUF
from typing import Literal

import msgspec
import pytest

from tests.records import a_record
from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.logs.stream import StreamLog


class FixedClock:
    def now(self) -> float:
        return 1_800_000_000.25

    def monotonic(self) -> float:
        return 0.0


class Paper:
    """Collects what is written; may refuse first."""

    def __init__(self, *refusals: int) -> None:
        self.refusals = list(refusals)
        self.written = b""

    def write(self, _file: int, data: bytes) -> int:
        if self.refusals:
            error = self.refusals.pop(0)
            raise OSError(error, os.strerror(error))
        self.written += data[:100]
        return len(data[:100])


def opened(
    paper: Paper, style: Literal["json", "text"] = "json", *, line_limit: int = 1000
) -> StreamLog:
    log = StreamLog(1, style, FixedClock(), write=paper.write, line_limit=line_limit)
    log.open()
    return log


def test_an_event_is_one_json_line_with_its_fields() -> None:
    paper = Paper()
    log = opened(paper)
    log.event("upstream.timeout", upstream="openai", waited_s=0.5, cold=True, detail=None)
    log.close()
    assert msgspec.json.decode(paper.written) == {
        "time": "2027-01-15T08:00:00.250Z",
        "event": "upstream.timeout",
        "upstream": "openai",
        "waited_s": 0.5,
        "cold": True,
        "detail": None,
    }


def test_an_access_line_holds_the_decision_and_no_text() -> None:
    paper = Paper()
    log = opened(paper)
    log.access(a_record("r1", client_request_id="c\n1"))
    log.close()
    line = msgspec.json.decode(paper.written)
    assert paper.written.count(b"\n") == 1
    assert (line["event"], line["request_id"], line["duration_ms"]) == ("access", "r1", 250.0)
    assert (line["source"], line["tier"], line["cost_micro_usd"]) == ("upstream", "central", 50)


def test_text_lines_are_for_reading_and_cannot_be_forged() -> None:
    paper = Paper()
    log = opened(paper, "text")
    log.event("config.reloaded", generation=2, file="a b\x1b[2J\n00:00 forged")
    log.access(a_record(model_asked="x\n09:00:00 200", status=502, reason="o", error="NoAnswer"))
    log.close()
    lines = paper.written.decode().splitlines()
    assert lines == [
        r"08:00:00.250 config.reloaded generation=2 file='a b\x1b[2J\n00:00 forged'",
        r"08:00:00.000 502 chat 'x\n09:00:00 200' upstream/central/openai 250.0ms o error=NoAnswer",
    ]


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_surrogate_in_a_field_does_not_break_the_log(style: Literal["json", "text"]) -> None:
    paper = Paper()
    log = opened(paper, style)
    log.event("x", field="\ud800")
    log.access(a_record(reason="\udcff"))
    log.close()
    assert paper.written.decode().count("\n") == 2


@pytest.mark.parametrize("error", [errno.EPIPE, errno.EBADF, errno.EIO, errno.ENOSPC])
def test_a_broken_reader_costs_lines_and_nothing_else(error: int) -> None:
    paper = Paper(error)
    log = opened(paper)
    log.event("lost")
    log.close()
    assert (log.lost, paper.written) == (1, b"")


def test_a_full_pipe_delays_and_loses_nothing() -> None:
    paper = Paper(errno.EAGAIN)
    log = opened(paper)
    log.event("kept")
    log.close()
    assert (log.lost, paper.written.count(b"kept")) == (0, 1)


def test_a_stalled_reader_never_stalls_the_caller_and_the_oldest_lines_go() -> None:
    reading, writing = threading.Event(), threading.Event()

    class Stalled(Paper):
        def write(self, _file: int, data: bytes) -> int:
            writing.set()
            reading.wait()
            return super().write(_file, data)

    paper = Stalled()
    log = opened(paper, "text", line_limit=3)
    log.event("first")
    writing.wait()
    for number in range(10):
        log.event(f"event{number}")
    assert log.lost == 7
    reading.set()
    log.close()
    names = [line.split()[1] for line in paper.written.decode().splitlines()]
    assert names == ["first", "event7", "event8", "event9"]


def test_lines_reach_a_real_pipe_without_being_asked_for() -> None:
    read, write = os.pipe()
    log = StreamLog(write, "json", FixedClock())
    log.open()
    log.access(a_record())
    with os.fdopen(read, "rb") as reader:
        assert b'"event":"access"' in reader.readline()
    log.close()
    os.close(write)


def test_close_without_open_does_no_harm() -> None:
    StreamLog(1, "json", FixedClock()).close()


def test_lines_of_a_shared_descriptor_are_written_whole() -> None:
    written: list[bytes] = []

    def write(_descriptor: int, data: bytes) -> int:
        written.append(data)
        return len(data)

    log = StreamLog(1, "json", SystemClock(), is_shared=True, write=write)
    for number in range(200):
        log.event("some.event", number=number, padding="x" * (number % 90))
    log.open()
    log.close()

    assert b"".join(written).count(b"\n") == 200
    assert all(len(piece) <= PIPE_BUF and piece.endswith(b"\n") for piece in written)
    assert len(written) < 20
