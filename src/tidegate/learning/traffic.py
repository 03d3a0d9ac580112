"""Rows that traffic labelled, as a head is fitted on and tested with. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.domain.bundle import Bundle, Float32, Head, Novelty
from tidegate.domain.guarantee import Loss
from tidegate.domain.label import LabelRow
from tidegate.domain.question import ChoiceValue
from tidegate.errors import FitError
from tidegate.learning.audit import Parts, disjoint
from tidegate.learning.audit_rows import Answers, AuditRows, Truth, judged
from tidegate.statistics import linear, ngrams
from tidegate.statistics.calibration import Float64, Integers, probabilities
from tidegate.statistics.ngrams import Grams
from tidegate.statistics.novelty import accept_scores

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
    present = sorted({places[row.label] for row in parts.fit})
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


def vectors_of(rows: Sequence[LabelRow]) -> Float32:
    """Give one vector a row."""
    return np.stack([row.vector for row in rows]).astype(np.float32)


def grams_of(rows: Sequence[LabelRow], count: int = ngrams.BUCKETS) -> Grams:
    """Give the n-grams of the rows; `count` divides the buckets that they were hashed into."""
    found = [sorted({bucket & (count - 1) for bucket in row.grams}) for row in rows]
    starts = np.concatenate(([0], np.cumsum([len(buckets) for buckets in found])))
    flat = [bucket for buckets in found for bucket in buckets]
    return Grams(np.array(flat, np.int64), starts.astype(np.int64), count)


def places_of(rows: Sequence[LabelRow], labels: Sequence[ChoiceValue]) -> Integers:
    """Give the place of each row's label."""
    places = {_key(label): place for place, label in enumerate(labels)}
    return np.array([places[_key(row.label)] for row in rows], dtype=np.int64)


def raw_scores(head: Head, rows: Sequence[LabelRow]) -> Float32:
    """Score rows as the head does when it serves, before its calibration."""
    scores = linear.scores(head.weights, head.bias, vectors_of(rows))
    if head.ngrams is not None:
        weights = head.ngrams.weights
        scores += ngrams.contributions(weights, grams_of(rows, len(weights)))
    return scores


def widened(head: Head, present: Sequence[int], labels: Sequence[ChoiceValue]) -> Head:
    """Give the labels that no row had a place in the head that never wins."""
    weights = np.zeros((len(labels), head.weights.shape[1]), dtype=np.float32)
    bias = np.full(len(labels), NEVER, dtype=np.float32)
    weights[list(present)] = head.weights
    bias[list(present)] = head.bias
    channel = head.ngrams
    if channel is not None:
        wide = np.zeros((len(channel.weights), len(labels)), dtype=np.float32)
        wide[:, list(present)] = channel.weights
        channel = replace(channel, weights=wide)
    return replace(head, labels=tuple(labels), weights=weights, bias=bias, ngrams=channel)


def widened_novelty(novelty: Novelty, present: Sequence[int], labels: int) -> Novelty:
    """Give the labels that no row had a place; they are never answered, so it says nothing."""
    slopes = np.zeros((labels, novelty.slopes.shape[1]), dtype=np.float32)
    offsets = np.zeros(labels, dtype=np.float32)
    slopes[list(present)] = novelty.slopes
    offsets[list(present)] = novelty.offsets
    return replace(novelty, slopes=slopes, offsets=offsets)


def audit_rows(bundle: Bundle, rows: Sequence[LabelRow], loss: Loss) -> AuditRows:
    """Score rows as the accept rule does, and tell where the answer would have been wrong."""
    labels = bundle.head.labels
    truth = Truth(
        [_truth(row, loss) for row in rows],
        [row.group for row in rows],
        [(f"language={row.language}", f"region={row.region}") for row in rows],
    )
    if not rows:
        nothing = Answers(labels, np.zeros((0, len(labels)), np.float32), np.zeros(0))
        return judged(nothing, truth, loss)
    given = probabilities(raw_scores(bundle.head, rows), bundle.head.calibration)
    confidence = given.max(axis=1).astype(np.float64)
    scores = accept_scores(bundle.novelty, vectors_of(rows), given.argmax(axis=1), confidence)
    return judged(Answers(labels, given, scores), truth, loss)


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


def _truth(row: LabelRow, loss: Loss) -> ChoiceValue:
    """Give the label; of a predicate the side of the declared cut, where the upstream said it."""
    if loss.kind == "predicate" and isinstance(row.label, bool) and len(row.probabilities) == 1:
        return row.probabilities[0] >= loss.cut
    return row.label


def _key(label: ChoiceValue) -> tuple[str, object]:
    """Tell `true` from "true"; Python's True also equals 1."""
    return type(label).__name__, label
