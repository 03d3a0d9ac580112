import asyncio

import pytest
from msgspec.structs import replace

from tests.unit.gateway.fakes import (
    ANSWER,
    FakeStream,
    FakeUpstream,
    ManualClock,
    a_generation,
    a_request,
    answer,
    end_batch,
    failing,
    for_ever,
    text_batch,
)
from tidegate.adapters.stores.memory_cache import MemoryCache
from tidegate.adapters.stores.memory_journal import MemoryJournal
from tidegate.adapters.stores.memory_labels import MemoryLabels
from tidegate.api.failures import status_of
from tidegate.domain.record import Record
from tidegate.errors import DeadlineExceeded, Forbidden, NoAnswer, UnknownModel
from tidegate.gateway.collect import Collector
from tidegate.gateway.dispatch import Dispatch
from tidegate.gateway.execute import Executor
from tidegate.gateway.generation import Generations
from tidegate.gateway.pipeline import Gateway
from tidegate.gateway.record import Recorder
from tidegate.gateway.repeat import Repeats
from tidegate.gateway.stream import Relay, Tools
from tidegate.learning.audit import derive


class Under:
    """A gateway between one upstream and a journal in memory."""

    def __init__(self, far: FakeUpstream, *, cached: bool = False) -> None:
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.generations = Generations(a_generation(far, cached=cached))
        tools = Tools(
            self.clock,
            Recorder(self.clock, self.journal, ()),
            Repeats(self.clock, MemoryCache(1 << 20)),
            Collector(derive(b""), MemoryLabels()),
        )
        executor = Executor(self.clock, Dispatch(self.clock))
        self.gateway = Gateway(tools, self.generations, executor, status_of)

    @property
    def record(self) -> Record:
        (record,) = self.journal.tail(10)
        return record


async def test_a_whole_answer_is_given_and_recorded() -> None:
    under = Under(FakeUpstream(outcomes=[answer()]))

    reply = await under.gateway.answer(a_request())

    assert reply.content == ANSWER
    assert reply.record is under.record
    assert (under.record.status, under.record.output_tokens) == (200, 2)
    assert under.generations.in_flight() == 0


async def test_usage_that_nobody_told_is_estimated_high_and_flagged() -> None:
    under = Under(FakeUpstream(outcomes=[answer(usage=None)]))

    await under.gateway.answer(a_request())

    assert under.record.usage_is_estimated
    assert under.record.input_tokens >= 1
    assert under.record.output_tokens == len(ANSWER) // 2


async def test_a_request_that_fails_is_recorded_and_leaves_nothing_behind() -> None:
    under = Under(FakeUpstream(outcomes=[failing()]))

    with pytest.raises(NoAnswer):
        await under.gateway.answer(a_request())

    assert (under.record.status, under.record.error) == (502, "NoAnswer")
    assert under.generations.in_flight() == 0


async def test_a_key_without_the_scope_reaches_no_upstream() -> None:
    far = FakeUpstream(outcomes=[answer()])
    under = Under(far)

    with pytest.raises(Forbidden):
        await under.gateway.answer(a_request(scopes=["models"]))

    assert not far.calls
    assert under.record.status == 403


async def test_an_unknown_model_is_recorded_without_a_route() -> None:
    under = Under(FakeUpstream(outcomes=[answer()]))
    request = replace(a_request(), model="other")

    with pytest.raises(UnknownModel):
        await under.gateway.answer(request)

    assert (under.record.status, under.record.route) == (404, "")


async def test_the_shorter_deadline_of_route_and_node_holds() -> None:
    far = FakeUpstream(outcomes=[answer()])
    under = Under(far)

    await under.gateway.answer(a_request(allowed_s=2.0))
    await under.gateway.answer(a_request(allowed_s=500.0))

    assert [call.deadline for call in far.calls] == [102.0, 130.0]


async def test_no_call_is_made_when_the_time_is_up() -> None:
    far = FakeUpstream(outcomes=[answer()])
    under = Under(far)

    with pytest.raises(DeadlineExceeded):
        await under.gateway.answer(a_request(allowed_s=0.001))

    assert not far.calls


async def test_a_client_that_leaves_is_recorded_with_what_may_have_been_spent() -> None:
    under = Under(FakeUpstream(outcomes=[answer()], before=for_ever))
    asking = asyncio.create_task(under.gateway.answer(a_request(max_tokens=50)))
    await asyncio.sleep(0)

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    record = under.record
    assert (record.status, record.abort_phase) == (499, "before_first_byte")
    assert [one.outcome for one in record.attempts] == ["cancelled"]
    assert (record.output_tokens, record.usage_is_estimated) == (50, True)
    assert record.source is None
    assert under.generations.in_flight() == 0


async def test_a_fault_of_ours_is_recorded_and_holds_up_nobody_else() -> None:
    far = FakeUpstream(outcomes=[ZeroDivisionError(), answer()])
    under = Under(far, cached=True)

    with pytest.raises(ZeroDivisionError):
        await under.gateway.answer(a_request())

    assert under.record.status == 500
    assert under.generations.in_flight() == 0
    # An identical request must not wait for the one that is gone.
    assert (await under.gateway.answer(a_request())).content == ANSWER


async def test_a_stream_is_recorded_with_its_last_batch() -> None:
    stream = FakeStream([text_batch("Hel"), text_batch("lo"), end_batch()])
    under = Under(FakeUpstream(outcomes=[stream]))

    reply = await under.gateway.answer(a_request(stream=True))
    assert isinstance(reply.content, Relay)
    assert under.generations.in_flight() == 1
    chunks = [(chunk, len(under.journal.tail(9))) async for chunk in reply.content.chunks()]
    await reply.content.close()

    assert [count for _, count in chunks] == [0, 0, 1]
    assert chunks[-1][0].endswith(b"data: [DONE]\n\n")
    assert stream.closed == 1
    assert under.generations.in_flight() == 0


async def test_a_stream_that_nobody_reads_on_is_closed_and_settled_once() -> None:
    stream = FakeStream([text_batch("Hel"), text_batch("lo"), end_batch()])
    under = Under(FakeUpstream(outcomes=[stream]))
    reply = await under.gateway.answer(a_request(stream=True))
    assert isinstance(reply.content, Relay)

    await anext(reply.content.chunks())
    await reply.content.close()
    await reply.content.close()

    assert stream.closed == 1
    assert (under.record.abort_phase, under.record.usage_is_estimated) == ("streaming", True)
    assert under.generations.in_flight() == 0


async def test_a_stream_that_breaks_ends_in_an_error_event() -> None:
    stream = FakeStream([text_batch("Hel")], error=failing("gone"))
    under = Under(FakeUpstream(outcomes=[stream]))
    reply = await under.gateway.answer(a_request(stream=True))
    assert isinstance(reply.content, Relay)

    chunks = [chunk async for chunk in reply.content.chunks()]
    await reply.content.close()

    assert b'"upstream_failed"' in chunks[-1]
    assert b"data: [DONE]" not in b"".join(chunks)
    assert (under.record.status, under.record.error) == (200, "UpstreamError")
    assert under.record.attempts[-1].outcome != "ok"
    assert stream.closed == 1


async def test_a_finished_stream_answers_the_next_request_whole() -> None:
    far = FakeUpstream(outcomes=[FakeStream([text_batch("Hello"), end_batch()])])
    under = Under(far, cached=True)
    first = await under.gateway.answer(a_request(stream=True))
    assert isinstance(first.content, Relay)
    async for _ in first.content.chunks():
        pass
    await first.content.close()

    second = await under.gateway.answer(a_request())

    assert isinstance(second.content, bytes)
    assert b'"Hello"' in second.content
    assert len(far.calls) == 1
