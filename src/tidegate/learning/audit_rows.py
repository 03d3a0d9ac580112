"""Audit rows as arrays, scored by one bundle: what a guarantee is tested on. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.domain.guarantee import Loss
from tidegate.domain.question import ChoiceValue
from tidegate.statistics.calibration import Bools, Float64, Integers
from tidegate.statistics.linear import Float32


@dataclass(frozen=True, slots=True, eq=False)
class AuditRows:
    """Rows of one role (calibrate or test) with what the bundle would have answered."""

    scores: Float64
    """Accept score of each row."""
    is_wrong: Bools
    """By the task's loss, were the row answered here."""
    groups: Integers
    """Near-duplicates and one end user's rows have the same number."""
    critical: Mapping[ChoiceValue, Bools]
    """For each critical label, which rows truly are it."""
    strata: Mapping[str, Bools]
    """For each stratum that occurs, which rows belong to it."""

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one head says to each row."""

    labels: Sequence[ChoiceValue]
    probabilities: Float32
    """One row a row, one column a label."""
    scores: Float64
    """Accept score of the likeliest label."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of each row."""

    labels: Sequence[ChoiceValue | None]
    """None: no label fits, so that every answer is wrong."""
    groups: Sequence[Hashable]
    strata: Sequence[tuple[str, ...]]
    """Those that the row belongs to, as `language=en`."""


def judged(answers: Answers, truth: Truth, loss: Loss) -> AuditRows:
    """Hold answers against what would have been right."""
    keys = [_key(label) for label in truth.labels]
    numbers: dict[Hashable, int] = {}
    names = sorted({name for several in truth.strata for name in several})
    return AuditRows(
        scores=answers.scores,
        is_wrong=_wrong(answers, truth.labels, loss),
        groups=np.array([numbers.setdefault(one, len(numbers)) for one in truth.groups], np.int64),
        critical={
            label: np.array([key == _key(label) for key in keys], np.bool_)
            for label in loss.critical
        },
        strata={
            name: np.array([name in several for several in truth.strata], np.bool_)
            for name in names
        },
    )


def part(rows: AuditRows, mask: Bools) -> AuditRows:
    """Give some of the rows, with the strata that are left."""
    return AuditRows(
        scores=rows.scores[mask],
        is_wrong=rows.is_wrong[mask],
        groups=rows.groups[mask],
        critical={label: member[mask] for label, member in rows.critical.items()},
        strata={name: member[mask] for name, member in rows.strata.items() if member[mask].any()},
    )


def staged(first: AuditRows, then: AuditRows, least: float | None) -> AuditRows:
    """Score the same rows as two classifiers in turn do, of which the first may settle a row.

    It does where its accept score is `least` or more; None: it never looks. Its score and its
    answer are then those of the pair, as they are when requests are served (`tasks/cascade.py`).
    """
    if least is None:
        return then
    settles = first.scores >= least
    return replace(
        then,
        scores=np.where(settles, first.scores, then.scores),
        is_wrong=np.where(settles, first.is_wrong, then.is_wrong),
    )


def together(questions: Sequence[AuditRows]) -> AuditRows:
    """Make one row of each request, given the rows of each of its questions in the same order.

    All questions are answered here or none is, so the least sure one decides, and a request is
    wrong when any answer is. Rows of critical labels count every fault of their request.
    """
    first = questions[0]
    critical = {label: is_it for rows in questions for label, is_it in rows.critical.items()}
    return replace(
        first,
        scores=np.min([rows.scores for rows in questions], axis=0),
        is_wrong=np.any([rows.is_wrong for rows in questions], axis=0),
        critical=critical,
    )


def _wrong(answers: Answers, labels: Sequence[ChoiceValue | None], loss: Loss) -> Bools:
    """Tell which answers are wrong: another label, the other side, or too many levels off."""
    places = {_key(label): place for place, label in enumerate(answers.labels)}
    fits_none = np.array([label is None for label in labels], np.bool_)
    if loss.kind == "predicate" and _TRUE in places:
        given = answers.probabilities[:, places[_TRUE]] >= loss.cut
        wrong: Bools = given != np.array([label is True for label in labels], np.bool_)
    else:
        targets = np.array([places.get(_key(label), -1) for label in labels], np.int64)
        allowed = loss.levels_off if loss.kind == "score" else 0
        wrong = np.abs(answers.probabilities.argmax(axis=1) - targets) > allowed
    return wrong | fits_none


def _key(label: ChoiceValue | None) -> tuple[str, object]:
    """Tell `true` from "true"; Python's True also equals 1."""
    return type(label).__name__, label


_TRUE = _key(True)
