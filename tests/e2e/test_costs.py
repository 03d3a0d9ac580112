"""What failed attempts and broken streams may have cost: estimated high, flagged, told apart."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.contract.servers import Turn
from tests.e2e.far import ERROR_EVENT, FINISH, ROLE, answers, delta, holds, refusing
from tests.e2e.harness import running_gateway
from tests.e2e.tiers import QUICK, Tiers, ordered, running_tiers, scripted
from tidegate.domain.record import Record
from tidegate.gateway.settle import UNSEEN_TOKENS

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHOLE_AND_STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

Script = Callable[[Turn], Awaitable[None]]
ERROR = b'{"error":{"message":"it broke","type":"server_error","param":null,"code":null}}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Tiers]:
    async with running_tiers() as tiers:
        yield tiers


@pytest.fixture
def tiers(running: Tiers) -> Tiers:
    running.near.forget()
    running.far.forget()
    return running


async def fails(turn: Turn) -> None:
    await turn.answer(ERROR, 500)


async def resets(turn: Turn) -> None:
    turn.cut()


async def half_a_body(turn: Turn) -> None:
    await turn.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{")
    turn.cut()


async def an_error_event(turn: Turn) -> None:
    await turn.stream(ROLE, ERROR_EVENT)


def totals_hold(record: Record) -> bool:
    """Tell whether what the record says is what its attempts say."""
    spent = sum(one.cost_micro_usd for one in record.attempts)
    used = [one.usage for one in record.attempts if one.usage is not None]
    return (
        record.cost_micro_usd == spent
        and record.input_tokens == sum(one.input_tokens for one in used)
        and record.output_tokens == sum(one.output_tokens for one in used)
    )


@WHOLE_AND_STREAMED
@pytest.mark.parametrize("script", [holds, resets], ids=["timed out", "reset after the request"])
async def test_an_attempt_that_may_have_generated_is_taken_for_a_long_answer(
    tiers: Tiers, script: Script, *, stream: bool
) -> None:
    tiers.near.script = script

    answer = await tiers.gateway.chat("x" * 40, stream=stream)
    record = await tiers.gateway.record(answer.request_id)

    failed, won = record.attempts
    assert failed.usage is not None
    assert (failed.usage.input_tokens, failed.usage.output_tokens) == (40, UNSEEN_TOKENS)
    assert failed.usage.is_estimated
    assert failed.cost_micro_usd > 0
    assert failed.cost_is_estimated
    assert won.usage is not None
    assert not won.usage.is_estimated
    assert (won.usage.input_tokens, won.usage.output_tokens) == (12, 3)
    assert record.usage_is_estimated
    assert record.cost_is_estimated
    assert totals_hold(record)
    # All-central would have been asked once.
    central = record.central_cost_micro_usd
    assert central is None or central < record.cost_micro_usd


async def test_an_answer_that_was_cut_short_is_taken_for_a_long_one(tiers: Tiers) -> None:
    tiers.near.script = half_a_body

    answer = await tiers.gateway.chat(max_tokens=77)
    record = await tiers.gateway.record(answer.request_id)

    assert record.attempts[0].usage is not None
    # The client's limit bounds it.
    assert record.attempts[0].usage.output_tokens == 77
    assert totals_hold(record)


@WHOLE_AND_STREAMED
async def test_an_error_status_costs_nothing(tiers: Tiers, *, stream: bool) -> None:
    tiers.near.script = fails

    answer = await tiers.gateway.chat(stream=stream)
    record = await tiers.gateway.record(answer.request_id)

    assert (record.attempts[0].usage, record.attempts[0].cost_micro_usd) == (None, 0)
    assert not record.usage_is_estimated
    assert totals_hold(record)


async def test_an_error_event_before_any_word_costs_nothing(tiers: Tiers) -> None:
    tiers.near.script = an_error_event

    answer = await tiers.gateway.chat(stream=True)
    record = await tiers.gateway.record(answer.request_id)

    assert [one.outcome for one in record.attempts] == ["error_status", "ok"]
    assert record.attempts[0].usage is None
    assert not record.usage_is_estimated


async def test_a_refused_connection_costs_nothing() -> None:
    with refusing() as url:
        async with scripted() as far, running_gateway(ordered(url, far.served.url)) as gateway:
            answer = await gateway.chat()
            record = await gateway.record(answer.request_id)

    assert [one.outcome for one in record.attempts] == ["unreachable", "ok"]
    assert record.attempts[0].usage is None
    assert not record.usage_is_estimated


@WHOLE_AND_STREAMED
async def test_when_every_tier_fails_the_attempts_are_paid_all_the_same(
    tiers: Tiers, *, stream: bool
) -> None:
    tiers.near.script = tiers.far.script = holds

    answer = await tiers.gateway.chat(stream=stream)
    record = await tiers.gateway.record(answer.request_id)

    assert answer.status == 504
    assert len(record.attempts) == 2
    assert all(one.cost_micro_usd > 0 for one in record.attempts)
    assert totals_hold(record)


async def test_a_decision_that_timed_out_is_paid_too() -> None:
    question = {"type": "predicate", "name": "angry", "instructions": "Is the writer angry?"}
    body = {"model": "assistant", "input": "x" * 40, "questions": [question]}
    async with scripted() as near, scripted() as far:
        near.script, far.script = holds, fails
        async with running_gateway(ordered(near.served.url, far.served.url)) as gateway:
            answer = await gateway.send("decisions", body)
            record = await gateway.record(answer.request_id)

    assert record.attempts[0].usage is not None
    assert record.attempts[0].usage.input_tokens >= 40
    assert record.attempts[0].cost_micro_usd > 0
    assert record.attempts[1].usage is None
    assert totals_hold(record)


async def test_a_stream_that_breaks_is_estimated_by_its_words_not_by_its_frames(
    tiers: Tiers,
) -> None:
    words = ["some ", "words ", "that ", "were ", "generated"]

    async def breaks(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(ROLE + b"".join(delta(word) for word in words))
        turn.cut()

    tiers.near.script = breaks

    answer = await tiers.gateway.chat(stream=True)
    record = await tiers.gateway.record(answer.request_id)

    size = len("".join(words))
    assert record.attempts[0].outcome == "cut"
    # Never below one token in four characters, far below one a byte of the events.
    assert size / 4 <= record.output_tokens <= size
    assert record.usage_is_estimated
    assert totals_hold(record)


async def test_a_whole_stream_without_usage_is_estimated_by_its_words(tiers: Tiers) -> None:
    async def tells_no_usage(turn: Turn) -> None:
        await turn.stream(ROLE, delta("Guten Tag"), delta("你好"), FINISH, b"data: [DONE]\n\n")

    tiers.near.script = tells_no_usage

    answer = await tiers.gateway.chat(stream=True)
    record = await tiers.gateway.record(answer.request_id)

    # Two Chinese characters are six bytes in UTF-8, and up to two tokens each.
    assert record.output_tokens == 8
    assert record.usage_is_estimated


async def test_a_collected_stream_that_breaks_is_estimated_by_its_words() -> None:
    """A whole answer under an edge deadline is fetched as a stream."""

    async def breaks(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(ROLE + delta("x" * 100))
        turn.cut()

    async with scripted() as near, scripted() as far:
        near.script, far.script = breaks, answers
        config = ordered(near.served.url, far.served.url, timeouts=QUICK)
        config["routes"] = [
            {
                "models": ["assistant"],
                "upstreams": ["near", "far"],
                "strategy": "rules",
                "rules": [{"to": "near"}],
                "edge_first_token_s": 5,
            }
        ]
        async with running_gateway(config) as gateway:
            answer = await gateway.chat()
            record = await gateway.record(answer.request_id)

    assert [one.outcome for one in record.attempts] == ["cut", "ok"]
    assert record.attempts[0].usage is not None
    assert record.attempts[0].usage.output_tokens == 50
