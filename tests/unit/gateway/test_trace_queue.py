import asyncio
from collections.abc import Sequence

import pytest

from tests.records import a_record
from tidegate.domain.trace import Delivery, KeptTrace
from tidegate.gateway.trace_queue import BATCH, TraceQueue


def trace(number: int) -> KeptTrace:
    return KeptTrace(a_record(f"{number}"), "share")


def numbers(batch: Sequence[KeptTrace]) -> bytes:
    return b" ".join(kept.record.request_id.encode() for kept in batch)


class Scripted:
    """A collector that says what it is told to, then takes everything; and no time passes."""

    def __init__(self, *deliveries: Delivery, limit: int = 100_000) -> None:
        self.deliveries = list(deliveries)
        self.sent: list[bytes] = []
        self.pauses: list[float] = []
        self.blocks = asyncio.Event()
        self.is_stuck = False
        self.queue = TraceQueue(numbers, self.send, draw=lambda: 0.5, pause=self.pause, limit=limit)

    async def send(self, body: bytes) -> Delivery:
        self.sent.append(body)
        if self.is_stuck:
            await self.blocks.wait()
        return self.deliveries.pop(0) if self.deliveries else Delivery(200)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def fill(self, count: int) -> None:
        for number in range(count):
            self.queue.offer(trace(number))


async def test_traces_are_sent_in_order_and_in_batches() -> None:
    scripted = Scripted()
    scripted.fill(BATCH + 1)
    await scripted.queue.drain()
    assert [len(body.split()) for body in scripted.sent] == [BATCH, 1]
    assert scripted.sent[1] == str(BATCH).encode()
    assert (scripted.queue.delivered, len(scripted.queue)) == (BATCH + 1, 0)


async def test_beyond_the_bound_traces_are_dropped_and_counted() -> None:
    scripted = Scripted(limit=3)
    scripted.fill(5)
    assert (len(scripted.queue), scripted.queue.lost["queue_full"]) == (3, 2)


async def test_a_busy_collector_gets_the_same_batch_again_when_it_said() -> None:
    scripted = Scripted(Delivery(503), Delivery(429, retry_after_s=7.0))
    scripted.fill(1)
    await scripted.queue.drain()
    assert scripted.sent == [b"0", b"0", b"0"]
    assert scripted.pauses == [1.0, 7.0]
    assert (scripted.queue.delivered, scripted.queue.trouble) == (1, None)


async def test_a_batch_that_nobody_takes_is_given_up_and_the_next_tried() -> None:
    gone = Delivery(None, message="no connection")
    scripted = Scripted(*[gone] * 5)
    scripted.fill(BATCH + 1)
    await scripted.queue.drain()
    assert scripted.queue.lost["unreachable"] == BATCH
    assert scripted.queue.delivered == 1


async def test_a_refusal_for_good_is_counted_at_once() -> None:
    scripted = Scripted(Delivery(401, message="who are you"))
    scripted.fill(2)
    await scripted.queue.drain()
    assert (scripted.queue.lost["refused"], scripted.queue.trouble) == (2, "who are you")
    assert scripted.pauses == []


async def test_spans_that_were_rejected_are_counted() -> None:
    scripted = Scripted(Delivery(200, rejected=3, message="too old"))
    scripted.fill(2)
    await scripted.queue.drain()
    assert (scripted.queue.delivered, scripted.queue.lost["rejected"]) == (2, 3)


async def test_a_batch_that_was_on_its_way_is_not_lost_when_the_task_is_cancelled() -> None:
    scripted = Scripted()
    scripted.is_stuck = True
    scripted.fill(2)
    task = asyncio.create_task(scripted.queue.drain())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    scripted.is_stuck = False
    await scripted.queue.close(5.0)
    assert scripted.sent == [b"0 1", b"0 1"]
    assert scripted.queue.delivered == 2


async def test_a_stop_waits_no_longer_than_allowed() -> None:
    scripted = Scripted()
    scripted.is_stuck = True
    scripted.fill(3)
    await scripted.queue.close(0.0)
    assert (scripted.queue.lost["shutdown"], len(scripted.queue)) == (3, 0)
