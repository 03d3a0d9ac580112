"""Answers from static embeddings, before the encoder looks. Pure.

The pair is one classifier with one accept score. Where the static head is sure enough, its answer
and its accept score are the pair's, and the encoder does not look, whatever the accept rule then
says; else the encoder's are. Under a guarantee "sure enough" is an accept score that was fixed on
calibrating rows before the test (`learning/cascade.py`), so what is served is what was tested. By
the operator's own threshold it is the head's own confidence, chosen so that the pair stays within
half a point of the encoder alone, and what the threshold refuses the encoder sees.

Only classification; never moderation or personal data: what those miss is not seen by anybody, so
nothing cheaper than the encoder may pass a text.
"""

from dataclasses import dataclass

from tidegate.domain.bundle import Float32, StaticHead
from tidegate.domain.question import Decision, Question
from tidegate.statistics import linear
from tidegate.statistics.calibration import probabilities
from tidegate.tasks.accept import Asked, Candidate, is_operators, may_look_first
from tidegate.tasks.classify import LoadedTask, NotConfident, judge, read


@dataclass(frozen=True, slots=True)
class Settled:
    """What static embeddings settled: an answer, or that the question goes up."""

    outcome: Decision | NotConfident
    score: float
    """Accept score of the pair."""


def has_first_look(loaded: LoadedTask) -> bool:
    """Tell whether static embeddings look before the encoder does."""
    if not may_look_first(loaded.task, loaded.bundle, loaded.table):
        return False
    guarantee = loaded.guarantee
    return is_operators(loaded.task) or (
        guarantee is not None and guarantee.static_from is not None
    )


def first_answer(
    question: Question, loaded: LoadedTask, vector: Float32, asked: Asked
) -> Settled | None:
    """Give what the static head settles of a covered question; None: the encoder looks."""
    head = loaded.bundle.static
    if head is None:
        return None
    scored = static_score(head, vector)
    decision, found = read(question, loaded, scored, vector, head.novelty)
    outcome = judge(loaded, decision, found, asked)
    if not _settles(loaded, head, found):
        return None
    if is_operators(loaded.task) and isinstance(outcome, NotConfident):
        return None
    return Settled(outcome, found.score)


def static_score(head: StaticHead, vector: Float32) -> list[float]:
    """Give the calibrated probability of each label, in the order of the bundle's head."""
    raw = linear.scores(head.weights, head.bias, vector)
    values: list[float] = probabilities(raw, head.calibration).tolist()
    return values


def _settles(loaded: LoadedTask, head: StaticHead, found: Candidate) -> bool:
    if is_operators(loaded.task):
        return found.confidence >= head.threshold
    least = None if loaded.guarantee is None else loaded.guarantee.static_from
    return least is not None and found.score >= least + found.margin
