"""Labelled rows from a file, as a guarantee is tested on: parted by group, with loss and strata.

Pure; what the bundle says to each text arrives as a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Loss
from tidegate.domain.question import ChoiceValue
from tidegate.errors import FitError
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.rows import Row, plain
from tidegate.statistics.calibration import Bools, Integers
from tidegate.statistics.language import language

CALIBRATE_PARTS = 4
"""One group in so many calibrates, the others test: the test decides what is granted."""
FEWEST_ROWS = 60


@dataclass(frozen=True, slots=True)
class Said:
    """What the bundle says to one text."""

    probabilities: tuple[float, ...]
    """In the order of the head's labels."""
    score: float
    """Accept score of the likeliest label."""


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """The rows by use; no group is in both."""

    calibrate: AuditRows
    test: AuditRows


def parted(rows: Sequence[Row], said: Sequence[Said], bundle: Bundle, loss: Loss) -> Halves:
    """Part the rows by a hash of their group, which stays the same in every file."""
    places = {_key(label): place for place, label in enumerate(bundle.head.labels)}
    _check(rows, places)
    calibrates = np.array([_calibrates(_group(row)) for row in rows], dtype=np.bool_)
    whole = _audit_rows(rows, said, bundle, loss)
    return Halves(_of(whole, calibrates), _of(whole, ~calibrates))


def is_wrong(said: Said, label: ChoiceValue | None, bundle: Bundle, loss: Loss) -> bool:
    """Tell whether the answer would be wrong; of a text that fits no label every answer is."""
    if label is None:
        return True
    labels = bundle.head.labels
    answer = max(range(len(labels)), key=said.probabilities.__getitem__)
    if loss.kind == "predicate" and True in labels:
        likely = said.probabilities[[_key(one) for one in labels].index(_key(True))]
        return (likely >= loss.cut) != (label is True)
    truth = [_key(one) for one in labels].index(_key(label))
    allowed = loss.levels_off if loss.kind == "score" else 0
    return abs(answer - truth) > allowed


def _audit_rows(rows: Sequence[Row], said: Sequence[Said], bundle: Bundle, loss: Loss) -> AuditRows:
    numbers: dict[str, int] = {}
    languages = np.array([language(row.text) for row in rows])
    return AuditRows(
        scores=np.array([one.score for one in said]),
        is_wrong=np.array(
            [is_wrong(one, row.label, bundle, loss) for row, one in zip(rows, said, strict=True)]
        ),
        groups=np.array([numbers.setdefault(_group(row), len(numbers)) for row in rows]),
        critical={
            label: np.array([_key(row.label) == _key(label) for row in rows], dtype=np.bool_)
            for label in loss.critical
        },
        strata={f"language={name}": languages == name for name in sorted(set(languages.tolist()))},
    )


def _of(rows: AuditRows, mask: Bools) -> AuditRows:
    groups: Integers = rows.groups[mask]
    return AuditRows(
        scores=rows.scores[mask],
        is_wrong=rows.is_wrong[mask],
        groups=groups,
        critical={label: member[mask] for label, member in rows.critical.items()},
        strata={name: member[mask] for name, member in rows.strata.items() if member[mask].any()},
    )


def _check(rows: Sequence[Row], places: dict[tuple[str, object], int]) -> None:
    if len(rows) < FEWEST_ROWS:
        raise FitError(
            f"{len(rows)} rows are too few to show anything; give {FEWEST_ROWS} or more."
        )
    unknown = {
        str(row.label) for row in rows if row.label is not None and _key(row.label) not in places
    }
    if unknown:
        shown = ", ".join(repr(label) for label in sorted(unknown)[:10])
        raise FitError(
            f"The bundle does not know these labels: {shown}. Correct them, or write null where no"
            " label fits."
        )


def _group(row: Row) -> str:
    return plain(row.text) if row.family is None else f"family:{row.family}"


def _calibrates(group: str) -> bool:
    return sha256(b"guarantee 1 " + group.encode()).digest()[0] % CALIBRATE_PARTS == 0


def _key(label: ChoiceValue | None) -> tuple[str, object]:
    """Tell `true` from "true"; Python's True also equals 1."""
    return type(label).__name__, label
