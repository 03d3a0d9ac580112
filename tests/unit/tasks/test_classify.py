from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundles import a_bundle
from tests.guarantees import a_guarantee
from tidegate.domain.bundle import (
    Acceptance,
    Calibration,
    Head,
    Novelty,
)
from tidegate.domain.guarantee import Level
from tidegate.domain.question import ChoiceValue, Decision, Option, Question, Refusal
from tidegate.domain.task import Task
from tidegate.tasks.classify import (
    LoadedTask,
    NotConfident,
    covers,
    decide,
    find,
    join,
    merge,
    split,
)

WORDING = "f" * 64
QUEUE = Question("choice", "queue", "Which queue?", (Option("a"), Option("b"), Option("c")))


def loaded(
    labels: tuple[ChoiceValue, ...] = ("a", "b", "c"),
    threshold: float | None = 0.8,
    *,
    unguaranteed: bool = True,
    accept_names: frozenset[str] = frozenset(),
    questions: tuple[str, ...] = (WORDING,),
) -> LoadedTask:
    task = Task(
        name="support",
        bundle="support",
        threshold=threshold,
        unguaranteed=unguaranteed,
        accept_names=accept_names,
    )
    head = Head(
        labels,
        np.eye(len(labels), 4, dtype=np.float32),
        np.zeros(len(labels), dtype=np.float32),
        Calibration(1.0, 0.0),
    )
    bundle = a_bundle(head=head, questions=questions)
    return join(task, bundle)


def test_a_question_with_the_trained_wording_is_covered() -> None:
    assert covers(QUEUE, WORDING, loaded()) is None


def test_another_wording_is_not_covered() -> None:
    assert covers(QUEUE, "0" * 64, loaded()) == (
        "the wording is not the one that the bundle was made for"
    )


def test_an_accepted_name_covers_another_wording_with_the_same_options() -> None:
    task = loaded(accept_names=frozenset({"queue"}))
    assert covers(QUEUE, "0" * 64, task) is None


@pytest.mark.parametrize(
    "options", [("a", "b"), ("a", "b", "c", "d"), ("a", "b", "C"), ("a", "b", True)]
)
def test_an_accepted_name_does_not_cover_other_options(options: tuple[ChoiceValue, ...]) -> None:
    task = loaded(accept_names=frozenset({"queue"}))
    question = replace(QUEUE, options=tuple(Option(value) for value in options))
    assert covers(question, "0" * 64, task) == "the options are not the head's labels"


def test_a_question_without_a_name_is_not_covered_by_names() -> None:
    task = loaded(accept_names=frozenset({"queue"}))
    assert covers(replace(QUEUE, name=None), "0" * 64, task) is not None


def test_instructions_with_more_than_text_are_never_covered() -> None:
    task = loaded(accept_names=frozenset({"queue"}))
    assert covers(replace(QUEUE, instructions=None), None, task) == (
        "the instructions hold more than text"
    )


@pytest.mark.parametrize(("threshold", "unguaranteed"), [(None, True), (0.5, False)])
def test_a_task_without_an_accepted_threshold_covers_nothing(
    threshold: float | None,
    *,
    unguaranteed: bool,
) -> None:
    task = loaded(threshold=threshold, unguaranteed=unguaranteed)
    assert "neither `max_error` nor a threshold" in (covers(QUEUE, WORDING, task) or "")


def test_a_predicate_needs_true_and_false_as_labels() -> None:
    predicate = Question("predicate", None, "It is urgent.")
    assert covers(predicate, WORDING, loaded((True, False))) is None
    assert covers(predicate, WORDING, loaded(("true", "false"))) is not None


def test_the_first_covering_task_is_found() -> None:
    wrong, right = loaded(questions=()), loaded()
    assert find(QUEUE, WORDING, [wrong, right]) is right


def test_without_a_covering_task_the_reason_is_found() -> None:
    assert find(QUEUE, WORDING, [loaded(questions=())]) == (
        "the wording is not the one that the bundle was made for"
    )
    assert find(QUEUE, WORDING, []) == "no task of this route has a bundle that serves"


def test_a_choice_is_answered_in_the_order_of_the_client() -> None:
    question = replace(QUEUE, options=QUEUE.options[::-1])
    assert decide(question, loaded(), [0.9, 0.07, 0.03]) == Decision((0.03, 0.07, 0.9), 0.9)


def test_true_and_the_word_true_are_different_options() -> None:
    task = loaded((True, "true"))
    question = Question("choice", None, "Is it?", (Option("true"), Option(True)))
    assert decide(question, task, [0.95, 0.05]) == Decision((0.05, 0.95), 0.95)


def test_a_score_has_a_probability_for_each_level() -> None:
    question = Question("score", None, "How urgent?", (Option("c"), Option("a"), Option("b")))
    assert decide(question, loaded(), [0.85, 0.1, 0.05]) == Decision((0.05, 0.85, 0.1), 0.85)


@pytest.mark.parametrize(("likely", "confidence"), [(0.1, 0.9), (0.9, 0.9)])
def test_a_predicate_is_as_sure_as_its_likelier_side(likely: float, confidence: float) -> None:
    question = Question("predicate", None, "It is urgent.")
    decision = decide(question, loaded((False, True)), [1 - likely, likely])
    assert isinstance(decision, Decision)
    assert decision.probabilities == (likely,)
    assert decision.confidence == pytest.approx(confidence)


def test_below_the_threshold_nothing_is_answered() -> None:
    assert decide(QUEUE, loaded(threshold=0.8), [0.79, 0.2, 0.01]) == NotConfident(0.79)


def test_at_the_threshold_it_is_answered() -> None:
    assert isinstance(decide(QUEUE, loaded(threshold=0.8), [0.8, 0.1, 0.1]), Decision)


def test_what_is_off_on_this_processor_is_asked_for_on_top_of_the_threshold() -> None:
    off = join(loaded(threshold=0.8).task, loaded().bundle, margin=0.02)
    assert decide(QUEUE, off, [0.81, 0.1, 0.09]) == NotConfident(0.81)
    assert isinstance(decide(QUEUE, off, [0.83, 0.1, 0.07]), Decision)


OUTCOMES = st.lists(
    st.one_of(
        st.just(Decision((0.9, 0.1), 0.9)), st.just(NotConfident(0.4)), st.just("not covered")
    ),
    max_size=8,
)


@given(OUTCOMES)
def test_merged_answers_stand_in_the_order_of_the_request(
    outcomes: list[Decision | NotConfident | str],
) -> None:
    parts = split(outcomes)
    answers = merge(parts, [Refusal(str(index)) for index in parts.upward])
    assert len(answers) == len(outcomes)
    for index, (outcome, answer) in enumerate(zip(outcomes, answers, strict=True)):
        assert answer == (outcome if isinstance(outcome, Decision) else Refusal(str(index)))


def test_an_upstream_that_answers_too_few_questions_is_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        merge(split(["not covered", "not covered"]), [Refusal("x")])


def test_a_guarantee_looks_at_the_accept_score_not_at_the_confidence() -> None:
    form = np.zeros((2, 2), np.float32)
    slopes = np.tile(np.array([[1.0, 0.0]], np.float32), (3, 1))
    novelty = Novelty(form, slopes, np.zeros(3, np.float32), Acceptance(0.0, 1.0, -9.0))
    plain = loaded(threshold=None, unguaranteed=False)
    bundle = replace(plain.bundle, novelty=novelty)
    guarantee = a_guarantee(
        bundle=bundle.content_hash,
        encoder=bundle.encoder,
        levels=(Level(0.02, 0.8, 500, 1, 0.5, 0.01),),
    )
    task = join(plain.task, bundle, guarantee=guarantee)
    assert covers(QUEUE, WORDING, task) is None
    known, strange = np.array([0, 1], np.float32), np.array([1, 0], np.float32)
    scored = [0.9, 0.07, 0.03]
    assert isinstance(decide(QUEUE, task, scored, vector=known), Decision)
    assert decide(QUEUE, task, scored, vector=strange) == NotConfident(0.9)
