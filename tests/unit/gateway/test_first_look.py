"""What static embeddings settle before the encoder, and what they leave to it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.bundles import a_bundle
from tests.guarantees import a_guarantee
from tidegate.domain.bundle import (
    Calibration,
    StaticHead,
    StaticMetrics,
)
from tidegate.domain.encoding import StaticEncoding
from tidegate.domain.guarantee import Guarantee, Level
from tidegate.domain.promise import Promise
from tidegate.domain.question import Decision, Option, Question
from tidegate.domain.request import Decisions
from tidegate.domain.task import Task
from tidegate.gateway.first_look import FirstLook, first_look
from tidegate.tasks.accept import Asked
from tidegate.tasks.classify import LoadedTask, NotConfident, join

TABLE = "t" * 64
QUESTION = Question("choice", None, "Which?", (Option("a"), Option("b")))
ASKED = Asked(now=0.0)


UNGUARANTEED = Task("x", "x", threshold=0.5, unguaranteed=True)
PROMISED = Task("x", "x", promise=Promise(0.05))


def embed(text: str) -> StaticEncoding | None:
    """Give one vector for every text but one."""
    return None if text == "long" else StaticEncoding(np.array([1, 0], np.float32), 5)


def loaded(
    *,
    lead: float = 3.0,
    threshold: float = 0.9,
    table: str = TABLE,
    task: Task = UNGUARANTEED,
    guarantee: Guarantee | None = None,
) -> LoadedTask:
    """A task whose static head prefers `a` by `lead`."""
    weights = np.array([[lead, 0], [0, 0]], np.float32)
    bias = np.zeros(2, np.float32)
    plain = Calibration(1.0, 0.0)
    metrics = StaticMetrics(0.9, 0.7, 0.95, 0.95)
    bundle = a_bundle(static=StaticHead(table, weights, bias, plain, threshold, metrics))
    return join(task, bundle, guarantee=guarantee, table=TABLE)


def guaranteed(static_from: float | None, *, threshold: float = 0.9) -> LoadedTask:
    """A task whose guarantee answers from an accept score of `threshold`; the head's own is low."""
    guarantee = a_guarantee(
        levels=(Level(0.05, threshold, 500, 5, 0.8, 0.03),),
        static_from=static_from,
    )
    return loaded(task=PROMISED, guarantee=guarantee)


def answer(found: FirstLook) -> Decision:
    outcome = found.settled[0].outcome
    assert isinstance(outcome, Decision)
    return outcome


def ask(text: str | None = "hello", *, questions: int = 1) -> Decisions:
    return Decisions(questions=(QUESTION,) * questions, text=text)


def test_a_sure_answer_settles_the_question() -> None:
    found = first_look(embed, ask(), [loaded()], ASKED)

    assert answer(found).confidence == pytest.approx(1 / (1 + np.exp(-3)))
    assert found.token_count == 5
    assert found.settles([loaded()])


@pytest.mark.parametrize(
    "one",
    [
        loaded(lead=1.0),
        loaded(threshold=0.96),
        loaded(table="o" * 64),
        loaded(task=Task("x", "x", threshold=0.99, unguaranteed=True)),
        loaded(task=Task("x", "x", threshold=0.5, unguaranteed=True, static_first=False)),
        loaded(task=Task("x", "x", threshold=0.5)),
    ],
    ids=["not sure", "own threshold", "other table", "task's threshold", "off", "guaranteed"],
)
def test_what_is_not_settled_is_the_encoders(one: LoadedTask) -> None:
    found = first_look(embed, ask(), [one], ASKED)

    assert found.settled == {}
    assert not found.settles([one])


def test_a_bundle_without_a_static_head_is_the_encoders() -> None:
    one = loaded()
    bare = replace(one, bundle=replace(one.bundle, static=None))

    assert first_look(embed, ask(), [bare], ASKED).settled == {}


@pytest.mark.parametrize("text", ["long", None])
def test_a_text_without_a_vector_is_the_encoders(text: str | None) -> None:
    assert first_look(embed, ask(text), [loaded()], ASKED) == FirstLook()


def test_a_client_that_asks_for_an_error_bound_gets_no_unguaranteed_answer() -> None:
    found = first_look(embed, ask(), [loaded()], Asked(now=0.0, max_error=0.01))

    assert found.settled == {}


def test_under_a_guarantee_the_accept_score_that_was_tested_settles() -> None:
    # The head is sure of `a` with 0.95.
    found = first_look(embed, ask(), [guaranteed(0.94)], ASKED)
    assert found.settled[0].score == pytest.approx(1 / (1 + np.exp(-3)))
    assert isinstance(found.settled[0].outcome, Decision)
    assert first_look(embed, ask(), [guaranteed(0.96)], ASKED).settled == {}
    assert first_look(embed, ask(), [guaranteed(None)], ASKED).settled == {}


def test_what_is_settled_and_below_the_granted_threshold_goes_up_without_the_encoder() -> None:
    one = guaranteed(0.8, threshold=0.97)

    found = first_look(embed, ask(), [one], ASKED)

    assert isinstance(found.settled[0].outcome, NotConfident)
    assert found.settles([one])


def test_the_margin_of_this_processor_counts_before_the_encoder_too() -> None:
    one = replace(guaranteed(0.94), margin=0.02)
    assert first_look(embed, ask(), [one], ASKED).settled == {}


def test_questions_settle_one_by_one() -> None:
    sure, unsure, uncovered = (
        loaded(),
        loaded(lead=0.1),
        "no task of this route has a bundle that serves",
    )
    found: list[LoadedTask | str] = [sure, unsure, uncovered]

    settled = first_look(embed, ask(questions=3), found, ASKED)

    assert set(settled.settled) == {0}
    assert not settled.settles(found)
    assert settled.settles([sure, "why", uncovered])
