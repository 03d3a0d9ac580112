"""Answers from static embeddings, before the encoder looks. Pure.

The pair counts as one predictor: the static head answers at or above its own threshold, chosen so
that the pair stays within half a point of the encoder alone (`learning/cascade.py`). It must pass
the task's own accept rule as well. Only classification; never moderation or personal data: what
those miss is not seen by anybody, so nothing cheaper than the encoder may pass a text.
"""

from tidegate.domain.bundle import Float32, StaticHead
from tidegate.domain.question import Decision, Question
from tidegate.statistics import linear
from tidegate.statistics.calibration import probabilities
from tidegate.tasks.accept import Asked
from tidegate.tasks.classify import LoadedTask, NotConfident, decide


def has_first_look(loaded: LoadedTask, table: str) -> bool:
    """Tell whether a task may be answered from this table of static embeddings.

    Not under a guarantee: that was tested on answers of the encoder's head.
    """
    task, head = loaded.task, loaded.bundle.static
    is_operators = task.unguaranteed and task.threshold is not None
    return is_operators and task.static_first and head is not None and head.table == table


def first_answer(
    question: Question, loaded: LoadedTask, vector: Float32, asked: Asked
) -> Decision | None:
    """Give the static head's answer to a covered question; None: the encoder looks."""
    head = loaded.bundle.static
    if head is None:
        return None
    outcome = decide(question, loaded, static_score(head, vector), asked=asked)
    if isinstance(outcome, NotConfident) or outcome.confidence < head.threshold:
        return None
    return outcome


def static_score(head: StaticHead, vector: Float32) -> list[float]:
    """Give the calibrated probability of each label, in the order of the bundle's head."""
    raw = linear.scores(head.weights, head.bias, vector)
    values: list[float] = probabilities(raw, head.calibration).tolist()
    return values
