"""The queue before the encoder's threads, with runs that a test holds and lets go."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import numpy as np
import pytest

from tidegate.adapters.encoder_queue import SHELLS, EncoderQueue, Turn
from tidegate.domain.encoding import Encoding
from tidegate.errors import DeadlineExceeded, EngineError, EngineOverloaded


class Gate:
    """Stands for an encoder whose runs end when the test says so."""

    def __init__(self) -> None:
        self.open = Event()
        self.begun = Event()
        self.ran: list[str] = []

    def run(self, turn: Turn) -> Encoding:
        self.ran.append(turn.text)
        self.begun.set()
        self.open.wait()
        turn.check()
        if turn.text == "broken":
            raise RuntimeError("the graph broke")
        return Encoding(np.ones(2, np.float32), len(turn.text), is_truncated=False)


@contextmanager
def running(gate: Gate, *, threads: int = 1, places: int = 8) -> Iterator[EncoderQueue]:
    queue = EncoderQueue("small", gate.run, threads=threads, places=places)
    try:
        yield queue
    finally:
        gate.open.set()
        queue.close()


async def until_begun(gate: Gate) -> None:
    await asyncio.to_thread(gate.begun.wait)


async def test_a_text_whose_deadline_passes_in_the_queue_is_never_run() -> None:
    gate = Gate()
    with running(gate) as queue:
        first = asyncio.create_task(queue.take("first", "vector", None))
        await until_begun(gate)
        soon = asyncio.get_running_loop().time() + 0.01
        with pytest.raises(DeadlineExceeded, match="the encoder"):
            await queue.take("late", "vector", soon)
        gate.open.set()
        await first
        await queue.take("after", "vector", None)

    assert gate.ran == ["first", "after"]


async def test_a_text_whose_caller_left_is_never_run_and_its_place_is_free() -> None:
    gate = Gate()
    with running(gate, places=1) as queue:
        first = asyncio.create_task(queue.take("first", "vector", None))
        await until_begun(gate)
        left = asyncio.create_task(queue.take("left", "vector", None))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        after = asyncio.create_task(queue.take("after", "vector", None))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, after)

    assert gate.ran == ["first", "after"]


async def test_a_long_text_is_given_up_between_two_windows_when_its_caller_left() -> None:
    gate = Gate()
    outcome: list[Exception] = []

    def run(turn: Turn) -> Encoding:
        try:
            return gate.run(turn)
        except DeadlineExceeded as error:
            outcome.append(error)
            raise

    queue = EncoderQueue("small", run, threads=1, places=1)
    task = asyncio.create_task(queue.take("long", "vector", None))
    await until_begun(gate)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.open.set()
    queue.close()

    assert len(outcome) == 1


async def test_a_full_queue_refuses_and_names_its_limit() -> None:
    gate = Gate()
    with running(gate, places=1) as queue:
        taken = [asyncio.create_task(queue.take(text, "vector", None)) for text in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(EngineOverloaded) as refused:
            await queue.take("c", "vector", None)
        assert refused.value.queue_limit == 1
        assert queue.pending == 2
        gate.open.set()
        await asyncio.gather(*taken)

    assert queue.pending == 0


async def test_what_those_who_left_leave_behind_is_bounded_and_takes_no_place() -> None:
    gate = Gate()
    with running(gate, places=2) as queue:
        first = asyncio.create_task(queue.take("first", "vector", None))
        await until_begun(gate)

        async def leave() -> BaseException | Encoding:
            left = asyncio.create_task(queue.take("left", "vector", None))
            await asyncio.sleep(0)
            left.cancel()
            (outcome,) = await asyncio.gather(left, return_exceptions=True)
            return outcome

        # Of the six that it holds, one runs and one place is kept for the next.
        outcomes = [await leave() for _ in range(SHELLS * 3 - 2)]
        assert {type(one) for one in outcomes} == {asyncio.CancelledError}
        second = asyncio.create_task(queue.take("second", "vector", None))
        await asyncio.sleep(0)
        assert queue.pending == 2
        assert isinstance(await leave(), EngineOverloaded)
        gate.open.set()
        await asyncio.gather(first, second)
        assert (await queue.take("third", "vector", None)).token_count == 5

    assert gate.ran == ["first", "second", "third"]


async def test_an_error_of_a_run_reaches_its_caller_and_the_thread_goes_on() -> None:
    gate = Gate()
    gate.open.set()
    with running(gate) as queue:
        with pytest.raises(RuntimeError, match="the graph broke"):
            await queue.take("broken", "vector", None)
        assert (await queue.take("whole", "vector", None)).token_count == 5


async def test_those_who_wait_when_it_closes_are_told() -> None:
    gate = Gate()
    queue = EncoderQueue("small", gate.run, threads=1, places=8)
    first = asyncio.create_task(queue.take("first", "vector", None))
    await until_begun(gate)
    second = asyncio.create_task(queue.take("second", "vector", None))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(queue.close))
    with pytest.raises(EngineError, match="closed"):
        await second
    gate.open.set()
    await closing

    assert (await first).token_count == 5
    assert gate.ran == ["first"]
