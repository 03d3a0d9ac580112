"""A sink of records: batches, pauses, bounds. The receiver and the clock are the test's."""

import msgspec

from tests.records import a_record
from tests.unit.gateway.fakes import ManualClock
from tidegate.adapters.exporters.record_sink import FIRST_PAUSE_S, RecordSink
from tidegate.errors import UpstreamError, UpstreamStatus, UpstreamUnreachable
from tidegate.wire import journal


class Receiver:
    """Takes lines, or fails as told."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.tries = 0
        self.errors: list[UpstreamError] = []

    async def __call__(self, lines: bytes) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        records = [journal.decode(line) for line in lines.splitlines()]
        self.taken.append([record.request_id for record in records])


def a_sink(receiver: Receiver, clock: ManualClock, *, queue: int = 100) -> RecordSink:
    return RecordSink("s", receiver, clock, lambda: 1.0, queue=queue, batch=2)


def down() -> UpstreamError:
    return UpstreamUnreachable("s", "refused")


def observe(sink: RecordSink, *names: str) -> None:
    for name in names:
        sink.observe(a_record(name))


async def test_records_go_in_batches_and_in_order() -> None:
    receiver = Receiver()
    sink = a_sink(receiver, ManualClock())
    observe(sink, "a", "b", "c")
    await sink.flush()
    assert receiver.taken == [["a", "b"], ["c"]]
    health = sink.health()
    assert (health.pending, health.sent, health.lost, health.last_error) == (0, 3, 0, None)


async def test_a_batch_is_tried_again_after_growing_pauses() -> None:
    receiver, clock = Receiver(), ManualClock()
    sink = a_sink(receiver, clock)
    receiver.errors = [down(), UpstreamStatus("s", 503)]
    observe(sink, "a")
    await sink.flush()
    await sink.flush()
    assert receiver.tries == 1
    assert "refused" in str(sink.health().last_error)
    clock.advance(FIRST_PAUSE_S)
    await sink.flush()
    clock.advance(FIRST_PAUSE_S)
    await sink.flush()
    assert receiver.tries == 2
    clock.advance(FIRST_PAUSE_S)
    await sink.flush()
    assert receiver.taken == [["a"]]
    assert sink.health().lost == 0


async def test_beyond_the_bound_the_oldest_go_and_are_counted() -> None:
    receiver = Receiver()
    sink = a_sink(receiver, ManualClock(), queue=2)
    observe(sink, "a", "b", "c")
    await sink.flush()
    assert receiver.taken == [["b", "c"]]
    assert sink.health().lost == 1


async def test_what_is_refused_for_good_is_dropped_and_counted() -> None:
    receiver, clock = Receiver(), ManualClock()
    sink = a_sink(receiver, clock)
    receiver.errors = [UpstreamStatus("s", 400)]
    observe(sink, "a", "b", "c")
    await sink.flush()
    clock.advance(60.0)
    await sink.flush()
    assert receiver.taken == [["c"]]
    assert (sink.health().lost, sink.health().sent) == (2, 1)


async def test_the_last_records_are_tried_once_more_at_the_end() -> None:
    receiver = Receiver()
    sink = a_sink(receiver, ManualClock())
    receiver.errors = [down()]
    observe(sink, "a")
    await sink.flush()
    await sink.close()
    assert receiver.taken == [["a"]]
    assert sink.health().lost == 0


async def test_what_is_left_at_the_end_is_counted_as_lost() -> None:
    receiver = Receiver()
    sink = a_sink(receiver, ManualClock())
    receiver.errors = [down(), down()]
    observe(sink, "a", "b", "c")
    await sink.flush()
    await sink.close()
    assert (sink.health().lost, sink.health().pending) == (3, 0)


async def test_a_line_is_that_of_the_journal() -> None:
    lines: list[bytes] = []

    async def keep(line: bytes) -> None:
        lines.append(line)

    sink = RecordSink("s", keep, ManualClock(), lambda: 1.0, queue=9, batch=9)
    observe(sink, "a")
    await sink.flush()
    assert lines == [journal.encode(a_record("a"))]
    assert "event" not in msgspec.json.decode(lines[0])
