"""Decisions from local heads: which question a task covers, and what the head's scores say.

The question's fingerprint arrives as a value (`bundles/fingerprint.py`); encoding the text is the
engine's work. What is not covered or not sure enough goes up in one call, see `split`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.domain.bundle import Bundle
from tidegate.domain.question import ChoiceValue, Decision, Question, Refusal
from tidegate.domain.task import Task


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task with the bundle that answers it."""

    task: Task
    bundle: Bundle
    positions: Mapping[ChoiceValue, int]
    """Where each label stands in the head."""
    margin: float = 0.0
    """How far the bundle's golden scores are off on this processor: its scores are trusted no
    further, so an answer must be that much surer than its threshold."""


@dataclass(frozen=True, slots=True)
class NotConfident:
    """The head looked and is less sure than the operator asks for."""

    confidence: float


@dataclass(frozen=True, slots=True)
class Split:
    """Which questions are answered here, and which go up, both by index in the request."""

    local: Mapping[int, Decision]
    upward: tuple[int, ...]


def join(task: Task, bundle: Bundle, *, margin: float = 0.0) -> LoadedTask:
    """Make a task ready to answer with this bundle."""
    positions = {label: i for i, label in enumerate(bundle.head.labels)}
    return LoadedTask(task, bundle, positions, margin)


def covers(question: Question, fingerprint: str | None, loaded: LoadedTask) -> str | None:
    """Tell why the task may not answer this question; None when it may.

    It may by the wording its bundle was made for, or by a name that the operator listed under
    `accept_names`, in both cases only with exactly the head's labels as options.
    """
    if not loaded.task.may_serve:
        return "the task has no threshold marked unguaranteed"
    if fingerprint is None:
        return "the instructions hold more than text"
    is_accepted = question.name is not None and question.name in loaded.task.accept_names
    if not is_accepted and fingerprint not in loaded.bundle.questions:
        return "the wording is not the one that the bundle was made for"
    if not _has_the_labels(question, loaded.positions):
        return "the options are not the head's labels"
    return None


def find(
    question: Question, fingerprint: str | None, tasks: Sequence[LoadedTask]
) -> LoadedTask | str:
    """Give the first task that covers the question, or the reason why the last one does not."""
    reason = "no task of this route has a bundle"
    for loaded in tasks:
        refusal = covers(question, fingerprint, loaded)
        if refusal is None:
            return loaded
        reason = refusal
    return reason


def decide(
    question: Question, loaded: LoadedTask, scored: Sequence[float]
) -> Decision | NotConfident:
    """Read the probabilities that `scores.py` gives as an answer to a covered question."""
    positions = loaded.positions
    if question.type == "predicate":
        likely = scored[positions[True]]
        decision = Decision((likely,), max(likely, 1.0 - likely))
    else:
        values = tuple([scored[positions[option.value]] for option in question.options])
        decision = Decision(values, max(values))
    threshold = loaded.task.threshold
    if threshold is None or decision.confidence < threshold + loaded.margin:
        return NotConfident(decision.confidence)
    return decision


def split(outcomes: Sequence[Decision | NotConfident | str]) -> Split:
    """Part what is answered from what goes up; a string is the reason why no head looked."""
    local = {i: outcome for i, outcome in enumerate(outcomes) if isinstance(outcome, Decision)}
    return Split(local, tuple(i for i in range(len(outcomes)) if i not in local))


def merge(parts: Split, upstream: Sequence[Decision | Refusal]) -> tuple[Decision | Refusal, ...]:
    """Put local answers and those from upstream, in the order of `parts.upward`, in one row."""
    answers: dict[int, Decision | Refusal] = dict(parts.local)
    answers.update(zip(parts.upward, upstream, strict=True))
    return tuple(answers[i] for i in range(len(answers)))


def _has_the_labels(question: Question, positions: Mapping[ChoiceValue, int]) -> bool:
    """Compare sets: order is the client's, labels are the head's."""
    if question.type == "predicate":
        return len(positions) == len(_SIDES) and all(side in positions for side in _SIDES)
    return len(question.options) == len(positions) and all(
        option.value in positions for option in question.options
    )


_SIDES = (True, False)
