import pytest
from msgspec.structs import replace

from tests.unit.gateway.fakes import a_request
from tidegate.domain.answer import Usage
from tidegate.domain.question import Question
from tidegate.domain.request import Chat, Decisions, Embeddings
from tidegate.errors import (
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tidegate.gateway.settle import (
    UNSEEN_TOKENS,
    UNSEEN_TOKENS_PER_QUESTION,
    UNSEEN_TOKENS_PER_S,
    lost,
    settled,
    settled_so_far,
    unseen,
)


def test_what_was_stated_is_taken() -> None:
    assert settled(a_request(), Usage(7, 3), 900) == Usage(7, 3)


def test_what_was_not_stated_is_estimated_high_and_flagged() -> None:
    found = settled(a_request(), None, 900)

    assert (found.output_tokens, found.is_estimated) == (450, True)
    assert found.input_tokens > 0


def test_the_client_s_limit_bounds_the_estimate() -> None:
    assert settled(a_request(max_tokens=20), None, 900).output_tokens == 20


def test_of_an_answer_that_broke_off_the_stated_output_is_only_a_lower_bound() -> None:
    assert settled_so_far(a_request(), Usage(7, 1, 5), 40) == Usage(7, 20, 5, is_estimated=True)
    assert settled_so_far(a_request(), Usage(7, 99), 40) == Usage(7, 99, is_estimated=True)
    assert settled_so_far(a_request(), None, 40) == settled(a_request(), None, 40)


def test_a_limit_holds_for_each_choice() -> None:
    request = a_request(max_tokens=20)
    chat = request.ask
    assert isinstance(chat, Chat)
    twice = replace(request, ask=replace(chat, choices=2))

    assert settled(twice, None, 900).output_tokens == 40


@pytest.mark.parametrize(
    "error",
    [
        UpstreamStatus("near", 500),
        UpstreamStatus("near", 429),
        UpstreamTimeout("near", "connect", 2.0),
        UpstreamUnreachable("near", "refused"),
    ],
)
def test_what_was_never_asked_or_said_no_used_nothing(error: UpstreamError) -> None:
    assert lost(a_request(), error, waited_s=1.0) is None


@pytest.mark.parametrize(
    "error",
    [
        UpstreamTimeout("near", "first_byte", 2.0),
        UpstreamTimeout("near", "first_token", 0.5),
        UpstreamTimeout("near", "gap", 2.0),
        UpstreamTimeout("near", "total", 2.0),
        UpstreamCut("near", "broke off"),
        UpstreamMalformed("near", "HTML"),
        UpstreamUnreachable("near", "reset", was_asked=True),
        UpstreamError("near", "something else"),
    ],
)
def test_what_may_have_been_at_work_is_taken_for_a_long_answer(error: UpstreamError) -> None:
    found = lost(a_request(), error, waited_s=1.0)

    assert found == Usage(2, UNSEEN_TOKENS, is_estimated=True)


def test_an_unseen_answer_grows_with_the_time_it_had_and_is_bounded_by_the_limit() -> None:
    assert unseen(a_request(), 60.0).output_tokens == 60 * UNSEEN_TOKENS_PER_S
    assert unseen(a_request(max_tokens=50), 60.0).output_tokens == 50


def test_what_was_seen_of_an_answer_is_what_it_used() -> None:
    found = lost(a_request(), UpstreamCut("near", "broke off"), waited_s=1.0, text_bytes=40)

    assert found == Usage(2, 20, is_estimated=True)


def test_embeddings_and_decisions_are_priced_by_what_they_can_have_said() -> None:
    questions = (Question("predicate", None, "Is it?"),) * 3
    request = a_request()
    cut = UpstreamCut("near", "broke off")

    embedded = lost(replace(request, ask=Embeddings(("a",), 1)), cut, waited_s=1.0)
    decided = lost(replace(request, ask=Decisions(questions, "a")), cut, waited_s=1.0)

    assert embedded == Usage(len(request.body), 0, is_estimated=True)
    assert decided is not None
    assert decided.output_tokens == 3 * UNSEEN_TOKENS_PER_QUESTION
