"""Decisions from local heads: which question a task covers, and what the head's scores say.

The question's fingerprint arrives as a value (`bundles/fingerprint.py`); encoding the text is the
engine's work. What is not covered or not sure enough goes up in one call, see `split`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.domain.bundle import Bundle, Float32, Novelty
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.question import ChoiceValue, Decision, Question, Refusal
from tidegate.domain.task import Task
from tidegate.statistics.novelty import accept_score
from tidegate.tasks.accept import Asked, Candidate, refusal, standing

EVEN = 0.5
"""P(true) from here on counts as true."""
ANYONE = Asked(now=0.0)


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
    guarantee: Guarantee | None = None
    """The newest verdict on the task; it may be on another bundle, then it allows nothing."""
    table: str | None = None
    """Fingerprint of this node's static embeddings; None: it has none."""


@dataclass(frozen=True, slots=True)
class NotConfident:
    """The head looked and its answer may not be given; see `accept.py`."""

    confidence: float
    reason: str = "below the threshold"


@dataclass(frozen=True, slots=True)
class Split:
    """Which questions are answered here, and which go up, both by index in the request."""

    local: Mapping[int, Decision]
    upward: tuple[int, ...]


def join(
    task: Task,
    bundle: Bundle,
    *,
    margin: float = 0.0,
    guarantee: Guarantee | None = None,
    table: str | None = None,
) -> LoadedTask:
    """Make a task ready to answer with this bundle."""
    positions = {label: i for i, label in enumerate(bundle.head.labels)}
    return LoadedTask(task, bundle, positions, margin, guarantee, table)


def covers(question: Question, fingerprint: str | None, loaded: LoadedTask) -> str | None:
    """Tell why the task may not answer this question; None when it may.

    It may by the wording its bundle was made for, or by a name that the operator listed under
    `accept_names`, in both cases only with exactly the head's labels as options.
    """
    obstacle = standing(loaded.task, loaded.bundle, loaded.guarantee, loaded.table)
    if obstacle is not None:
        return obstacle
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
    reason = "no task of this route has a bundle that serves"
    for loaded in tasks:
        refusal = covers(question, fingerprint, loaded)
        if refusal is None:
            return loaded
        reason = refusal
    return reason


def decide(
    question: Question,
    loaded: LoadedTask,
    scored: Sequence[float],
    *,
    vector: Float32 | None = None,
    asked: Asked = ANYONE,
) -> Decision | NotConfident:
    """Read what the head says of a covered question, and give it where the accept rule allows."""
    decision, found = read(question, loaded, scored, vector, loaded.bundle.novelty)
    return judge(loaded, decision, found, asked)


def read(
    question: Question,
    loaded: LoadedTask,
    scored: Sequence[float],
    vector: Float32 | None,
    novelty: Novelty | None,
) -> tuple[Decision, Candidate]:
    """Read the probabilities that a head gives as an answer to a covered question.

    `vector` is what the head read, `novelty` the head's; without both the accept score is the
    confidence.
    """
    positions = loaded.positions
    if question.type == "predicate":
        likely = scored[positions[True]]
        decision = Decision((likely,), max(likely, 1.0 - likely))
        answer = positions[likely >= EVEN]
    else:
        values = tuple([scored[positions[option.value]] for option in question.options])
        decision = Decision(values, max(values))
        answer = positions[question.options[values.index(decision.confidence)].value]
    sure = decision.confidence
    score = (
        sure if novelty is None or vector is None else accept_score(novelty, vector, answer, sure)
    )
    return decision, Candidate(sure, score, loaded.margin)


def judge(
    loaded: LoadedTask, decision: Decision, found: Candidate, asked: Asked
) -> Decision | NotConfident:
    """Give the answer where the accept rule allows, else why not."""
    reason = refusal(loaded.task, loaded.guarantee, found, asked)
    return decision if reason is None else NotConfident(found.confidence, reason)


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
