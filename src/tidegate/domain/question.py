"""Typed decisions: what is asked of a text, and what came out."""

from dataclasses import dataclass
from typing import Literal

import msgspec

ChoiceValue = str | bool


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a `choice` question, or one level of a `score` question (by its label)."""

    value: ChoiceValue
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One typed question.

    `instructions` is None when they hold more than text (an image, say): no local head can answer
    then. `options` are the choices in the client's order, the levels from lowest to highest, and
    empty for a predicate.
    """

    type: Literal["predicate", "choice", "score"]
    name: str | None
    instructions: str | None
    options: tuple[Option, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """The answer to one question, as probabilities over its options.

    For a predicate `probabilities` is (P(true),); for a choice or a score it is in the order of
    the question's options. `confidence` is the calibrated probability that the returned option
    (choice), modal level (score) or the likelier side (predicate) is right.
    """

    probabilities: tuple[float, ...]
    confidence: float


class Refusal(msgspec.Struct, frozen=True):
    """No tier was able to answer this question; `reason` is for the record and debug keys."""

    reason: str


class QuestionTrace(msgspec.Struct, frozen=True):
    """How one question of a request was answered: one row in the record."""

    type: Literal["predicate", "choice", "score"]
    source: Literal["local", "upstream", "refused"]
    reason: str
    task: str | None = None
    bundle: str | None = None
    confidence: float | None = None
