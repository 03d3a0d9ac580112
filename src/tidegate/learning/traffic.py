"""Rows that traffic labelled, as a head is fitted on and tested with. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.domain.bundle import Float32, Head
from tidegate.domain.guarantee import Loss
from tidegate.domain.label import LabelRow
from tidegate.domain.question import ChoiceValue
from tidegate.errors import FitError
from tidegate.learning.audit import Parts, disjoint, numbered
from tidegate.learning.audit_rows import AuditRows
from tidegate.statistics import linear
from tidegate.statistics.calibration import Bools, Float64, Integers, probabilities

NEVER = -1e4
"""Score of a label that no fitting row has: it is never answered here."""
NEWEST = 50
"""Rows that tell whose labels these are now."""
FEWEST_LABELS = 2
SAFELY = 0.8
"""Of alpha: what calibration rows may show where test rows are expected to pass."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who gives the labels."""

    upstream: str
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What one fit works on."""

    parts: Parts
    labels: tuple[ChoiceValue, ...]
    """All that the question knows."""
    present: tuple[int, ...]
    """Places of those that fitting rows have."""
    source: Source
    stratum: int
    """Of the test rows."""


def material(rows: Sequence[LabelRow], labels: Sequence[ChoiceValue]) -> Material:
    """Part the rows; raises FitError where too little is left to tell labels apart.

    Only labels of the question's own options count; calibrate and test do only labels of the
    source that answers now, and test only rows of one sample.
    """
    known = [row for row in rows if row.label in labels]
    audits = [row for row in known if row.origin == "audit"]
    if not audits:
        raise FitError("There are no audit rows yet.")
    source = newest_source(audits)
    measuring = [row for row in audits if Source(row.upstream, row.model) == source]
    others = [row for row in known if row.role == "fit"]
    parts = disjoint([*others, *(row for row in measuring if row.role != "fit")])
    places = {label: place for place, label in enumerate(labels)}
    present = sorted({places[row.label] for row in parts.fit if row.label is not None})
    if len(present) < FEWEST_LABELS:
        raise FitError(
            f"All {len(parts.fit)} fitting rows have the same label; the upstream has to use two."
        )
    stratum, test = one_sample(parts.test)
    return Material(
        Parts(parts.fit, parts.calibrate, test), tuple(labels), tuple(present), source, stratum
    )


def newest_source(audits: Sequence[LabelRow]) -> Source:
    """Tell who labels now: what most of the newest rows say."""
    counts = Counter(Source(row.upstream, row.model) for row in audits[-NEWEST:])
    return counts.most_common(1)[0][0]


def one_sample(test: Sequence[LabelRow]) -> tuple[int, tuple[LabelRow, ...]]:
    """Keep the rows of the largest sample, of equals the newest; counts decide, no label does."""
    counts = Counter(row.stratum for row in test)
    if not counts:
        return 0, ()
    chosen = max(counts, key=lambda stratum: (counts[stratum], stratum))
    return chosen, tuple(row for row in test if row.stratum == chosen)


def arrays(rows: Sequence[LabelRow], labels: Sequence[ChoiceValue]) -> tuple[Float32, Integers]:
    """Give one vector a row, and the place of each row's label."""
    places = {_key(label): place for place, label in enumerate(labels)}
    vectors = np.stack([row.vector for row in rows]).astype(np.float32)
    targets = [places[_key(row.label)] for row in rows if row.label is not None]
    return vectors, np.array(targets, dtype=np.int64)


def widened(
    weights: Float32, bias: Float32, present: Sequence[int], labels: int
) -> tuple[Float32, Float32]:
    """Give the labels that no row had a place that never wins."""
    wide = np.zeros((labels, weights.shape[1]), dtype=np.float32)
    low = np.full(labels, NEVER, dtype=np.float32)
    wide[list(present)] = weights
    low[list(present)] = bias
    return wide, low


def audit_rows(head: Head, rows: Sequence[LabelRow], loss: Loss) -> AuditRows:
    """Score rows by a head, and tell where its answer would have been wrong."""
    if not rows:
        empty = np.zeros(0)
        nothing = np.zeros(0, dtype=np.bool_)
        return AuditRows(empty, nothing, np.zeros(0, dtype=np.int64), {}, {})
    vectors, targets = arrays(rows, head.labels)
    given = probabilities(linear.scores(head.weights, head.bias, vectors), head.calibration)
    best = given.argmax(axis=1)
    return AuditRows(
        scores=given.max(axis=1).astype(np.float64),
        is_wrong=_wrong(best, targets, loss),
        groups=np.array(numbered(rows), dtype=np.int64),
        critical=_critical(targets, head.labels, loss),
        strata={},
    )


def safe_coverage(rows: AuditRows, alpha: float) -> float:
    """Give the share of rows that could be answered with an error well below alpha."""
    if not len(rows):
        return 0.0
    order = np.argsort(-rows.scores, kind="stable")
    risk: Float64 = np.cumsum(rows.is_wrong[order]) / np.arange(1, len(order) + 1)
    allowed = np.flatnonzero(risk <= SAFELY * alpha)
    return float(allowed[-1] + 1) / len(order) if len(allowed) else 0.0


def coverage(rows: AuditRows, threshold: float) -> float:
    """Give the share of rows at or above a threshold."""
    return float((rows.scores >= threshold).mean()) if len(rows) else 0.0


def _wrong(best: Integers, targets: Integers, loss: Loss) -> Bools:
    off: Bools = np.abs(best - targets) > (loss.levels_off if loss.kind == "score" else 0)
    return off


def _critical(
    targets: Integers, labels: Sequence[ChoiceValue], loss: Loss
) -> Mapping[ChoiceValue, Bools]:
    places = {_key(label): place for place, label in enumerate(labels)}
    return {label: targets == places[_key(label)] for label in loss.critical}


def _key(label: ChoiceValue | None) -> tuple[str, object]:
    """Tell `true` from "true"; Python's True also equals 1."""
    return type(label).__name__, label
