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
from tidegate.learning.audit_rows import Answers, AuditRows, Truth, judged, part
from tidegate.learning.rows import Row, plain
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
    labels = bundle.head.labels
    _check(rows, {_key(label) for label in labels})
    groups = [_group(row) for row in rows]
    truth = Truth([row.label for row in rows], groups, [_strata(row) for row in rows])
    given = np.array([one.probabilities for one in said], np.float32)
    answers = Answers(labels, given, np.array([one.score for one in said]))
    whole = judged(answers, truth, loss)
    calibrates = np.array([_calibrates(group) for group in groups], dtype=np.bool_)
    return Halves(part(whole, calibrates), part(whole, ~calibrates))


def _strata(row: Row) -> tuple[str, ...]:
    """Give the language, and the region where the file states it."""
    known = f"language={language(row.text)}"
    return (known,) if row.region is None else (known, f"region={row.region}")


def _check(rows: Sequence[Row], known: set[tuple[str, object]]) -> None:
    if len(rows) < FEWEST_ROWS:
        raise FitError(
            f"{len(rows)} rows are too few to show anything; give {FEWEST_ROWS} or more."
        )
    unknown = {
        str(row.label) for row in rows if row.label is not None and _key(row.label) not in known
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
