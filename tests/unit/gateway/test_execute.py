import pytest

from tests.unit.gateway.fakes import (
    FAR,
    NEAR,
    FakeStream,
    FakeUpstream,
    ManualClock,
    a_draft,
    a_generation,
    a_plan,
    a_request,
    answer,
    candidate,
    end_batch,
    for_ever,
    text_batch,
)
from tidegate.adapters.clocks.system import SystemClock
from tidegate.errors import (
    InvalidRequest,
    NoAnswer,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tidegate.gateway.dispatch import Dispatch, is_rejection, outcome_of
from tidegate.gateway.execute import Executor

BOTH = a_plan(candidate("near", NEAR), candidate("far", FAR))


def near(*outcomes: FakeStream | Exception) -> FakeUpstream:
    return FakeUpstream("near", NEAR, [*outcomes])


def executor() -> Executor:
    clock = ManualClock()
    return Executor(clock, Dispatch(clock))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UpstreamUnreachable("near", "refused"), "unreachable"),
        (UpstreamTimeout("near", "connect", 1.0), "timeout"),
        (UpstreamMalformed("near", "HTML"), "malformed"),
        (UpstreamCut("near", "broke off"), "cut"),
        (UpstreamError("near", "something else"), "malformed"),
        (UpstreamStatus("near", 500), "error_status"),
        (UpstreamStatus("near", 401), "error_status"),
        (UpstreamStatus("near", 404), "error_status"),
        (UpstreamStatus("near", 408), "error_status"),
        (UpstreamStatus("near", 429), "rate_limited"),
    ],
)
async def test_what_is_the_tier_s_own_fault_goes_to_the_next(
    error: UpstreamError, outcome: str
) -> None:
    far = FakeUpstream(outcomes=[answer()])
    draft = a_draft(a_generation(near(error), far))

    won = await executor().whole(BOTH, draft)

    assert won.candidate.upstream == "far"
    assert [one.outcome for one in draft.attempts] == [outcome, "ok"]


@pytest.mark.parametrize("status", [400, 415, 422])
async def test_what_is_the_client_s_fault_is_asked_nowhere_else(status: int) -> None:
    far = FakeUpstream(outcomes=[answer()])
    draft = a_draft(a_generation(near(UpstreamStatus("near", status)), far))

    with pytest.raises(NoAnswer) as raised:
        await executor().whole(BOTH, draft)

    assert not far.calls
    assert isinstance(raised.value.last, UpstreamStatus)


def test_a_prompt_too_long_for_one_model_is_no_rejection() -> None:
    body = b'{"error":{"code":"context_length_exceeded"}}'

    assert not is_rejection(UpstreamStatus("near", 400, body=body))
    assert outcome_of(UpstreamStatus("near", 400, body=body)) == "error_status"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_a_rejection_when_the_client_brought_it(status: int) -> None:
    assert is_rejection(UpstreamStatus("near", status, is_clients_credential=True))
    assert not is_rejection(UpstreamStatus("near", status))


async def test_a_stream_whose_first_event_is_an_error_is_closed_and_followed() -> None:
    broken = FakeStream([], error=UpstreamStatus("near", 503))
    far = FakeUpstream(outcomes=[FakeStream([text_batch("Hi"), end_batch()])])
    draft = a_draft(a_generation(near(broken), far))

    won = await executor().opened(BOTH, draft)

    assert won.candidate.upstream == "far"
    assert broken.closed == 1
    assert len(won.result.first) == 1


async def test_a_stream_is_not_read_beyond_its_first_token() -> None:
    stream = FakeStream([text_batch("Hi"), text_batch(" there"), end_batch()])
    draft = a_draft(a_generation(FakeUpstream(outcomes=[stream])))

    won = await executor().opened(a_plan(candidate()), draft)

    assert [batch.has_token for batch in won.result.first] == [True]
    assert len([batch async for batch in won.result.rest]) == 2


async def test_an_edge_without_a_token_in_time_is_followed() -> None:
    clock = SystemClock()
    slow = FakeUpstream("near", NEAR, [FakeStream([])], before=for_ever)
    far = FakeUpstream(outcomes=[answer()])
    draft = a_draft(a_generation(slow, far))
    draft.deadline = clock.monotonic() + 30
    plan = a_plan(candidate("near", NEAR, first_token_s=0.01), candidate())

    won = await Executor(clock, Dispatch(clock)).whole(plan, draft)

    assert won.candidate.upstream == "far"
    assert "first token" in draft.attempts[0].detail


async def test_a_whole_answer_of_a_hurried_edge_is_collected_from_its_stream() -> None:
    stream = FakeStream([text_batch("Hel"), text_batch("lo"), end_batch()])
    edge = near(stream)
    draft = a_draft(a_generation(edge))

    won = await executor().whole(a_plan(candidate("near", NEAR, first_token_s=5)), draft)

    assert b'"Hello"' in won.result.answer.body
    assert edge.calls[0].stream
    assert stream.closed == 1


async def test_an_empty_plan_is_a_refusal_by_policy() -> None:
    with pytest.raises(NoAnswer) as raised:
        await executor().whole(a_plan(), a_draft(a_generation()))

    assert raised.value.reason == "policy"


async def test_an_outage_says_who_was_asked_and_with_which_status_it_refused() -> None:
    far = FakeUpstream("far", FAR, [UpstreamStatus("far", 529)])
    draft = a_draft(a_generation(near(UpstreamMalformed("near", "no")), far))
    with pytest.raises(NoAnswer, match="`near` malformed, `far` error_status 529"):
        await executor().whole(BOTH, draft)


async def test_the_child_span_is_new_for_each_call() -> None:
    far = FakeUpstream(outcomes=[UpstreamError("far", "no"), answer()])
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    draft = a_draft(a_generation(far), a_request(traceparent=parent))

    await executor().whole(a_plan(candidate()), draft)

    spans = [call.traceparent for call in far.calls]
    assert len({parent, *spans}) == 3
    assert all(span is not None and span.startswith(f"00-{'a' * 32}-") for span in spans)


async def test_an_upstream_that_cannot_carry_the_request_is_passed_over() -> None:
    edge = near(InvalidRequest("several prompts cannot be carried", param="prompt"))
    far = FakeUpstream(outcomes=[answer()])
    draft = a_draft(a_generation(edge, far))

    won = await executor().whole(BOTH, draft)

    assert won.candidate.upstream == "far"
    assert [attempt.outcome for attempt in draft.attempts] == ["unable", "ok"]


async def test_a_request_that_no_upstream_can_carry_is_the_client_s_to_change() -> None:
    edge = near(InvalidRequest("several prompts cannot be carried", param="prompt"))
    far = FakeUpstream(outcomes=[InvalidRequest("nor here", param="n")])
    draft = a_draft(a_generation(edge, far))

    with pytest.raises(InvalidRequest, match="several prompts"):
        await executor().whole(BOTH, draft)


async def test_an_outage_beside_an_unable_upstream_is_told_as_an_outage() -> None:
    edge = near(UpstreamUnreachable("near", "refused"))
    far = FakeUpstream(outcomes=[InvalidRequest("not here", param="n")])
    draft = a_draft(a_generation(edge, far))

    with pytest.raises(NoAnswer, match="`near` unreachable, `far` unable"):
        await executor().whole(BOTH, draft)
