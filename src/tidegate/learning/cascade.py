"""When static embeddings may answer before the encoder looks: one threshold, chosen to cost little.

The pair counts as one predictor: a text whose static confidence reaches the threshold gets the
static head's answer, any other the encoder's. The threshold is chosen on out-of-fold rows; under a
guarantee it is an accept score that calibrating rows choose before a test row is looked at. Pure.
"""

from dataclasses import dataclass

import numpy as np

from tidegate.learning.audit_rows import AuditRows, staged
from tidegate.learning.traffic import safe_coverage
from tidegate.statistics.calibration import Bools, Float64, Integers

MOST_LOSS = 0.005
"""Share of rows by which the pair may be worse than the encoder alone: half a point."""
LEAST_SHARE = 0.2
"""Of rows: with fewer the static head is not worth its keep."""
CONFIDENCE_Z = 1.645
"""One-sided 95 %."""
MOST_COST = 0.125
"""Of alpha: share of rows by which the pair may be wrong more often under a guarantee. Half of it
cost CLINC150 nearly a point of coverage at 2 %, and both sets more at 1 %."""
CANDIDATES = 32
"""Accept scores that are looked at, in even steps of rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What both heads said about rows that neither had seen."""

    confidences: Float64
    """The static head's; below 0 where the text has no static vector."""
    static_right: Bools
    encoder_right: Bools


@dataclass(frozen=True, slots=True)
class Pair:
    """What the pair is worth; every row is judged by a threshold chosen on the other folds."""

    threshold: float | None
    """Chosen on all rows; None: the static head would cost too much, or too few rows tell."""
    share: float
    """Of rows that stop at the static head."""
    static_accuracy: float
    """Of the static head alone."""
    accuracy: float
    encoder_accuracy: float

    @property
    def pays(self) -> bool:
        """Whether the rows that chose nothing confirm that the pair keeps the accuracy."""
        is_close = self.encoder_accuracy - self.accuracy <= MOST_LOSS
        return self.threshold is not None and is_close and self.share >= LEAST_SHARE


def choose_threshold(rows: Rows) -> float | None:
    """Give the least static confidence at which the pair stays within `MOST_LOSS`.

    Walks from the surest row down and stops at the first where the upper bound of the loss passes
    the limit.
    """
    order = np.argsort(-rows.confidences, kind="stable")
    ranked = rows.confidences[order]
    count = len(ranked)
    lost: Integers = np.cumsum((rows.encoder_right & ~rows.static_right)[order])
    gained: Integers = np.cumsum((~rows.encoder_right & rows.static_right)[order])
    passes = _bound(lost, gained, count) <= MOST_LOSS
    # Rows of equal confidence stop together or not at all.
    is_end = np.append(ranked[1:] < ranked[:-1], True)
    may_stop = is_end & (ranked >= 0)
    failing = np.flatnonzero(may_stop & ~passes)
    until = int(failing[0]) if len(failing) else count
    passing = np.flatnonzero(may_stop[:until] & passes[:until])
    return float(ranked[passing[-1]]) if len(passing) else None


def choose_first(static: AuditRows, encoder: AuditRows, alpha: float) -> float | None:
    """Give the least accept score from which static embeddings settle a row under a guarantee.

    Both are the calibrating rows; a row without a static vector has a score of minus infinity.
    Chosen is the loosest at which the 95 % upper bound of what the pair is wrong more often stays
    within its part of alpha, and at which the pair answers no fewer rows than the encoder alone
    would. None: static embeddings would cost more, settle too few, or too few rows tell.
    """
    known = static.scores[np.isfinite(static.scores)]
    if not len(known):
        return None
    wanted = safe_coverage(encoder, alpha)
    steps = np.quantile(known, np.linspace(0.0, 1.0, CANDIDATES), method="nearest")
    for least in np.unique(steps).tolist():
        settles = static.scores >= least
        if settles.mean() < LEAST_SHARE:
            return None
        lost = (settles & static.is_wrong & ~encoder.is_wrong).sum()
        gained = (settles & ~static.is_wrong & encoder.is_wrong).sum()
        if _bound(lost, gained, len(settles)) > MOST_COST * alpha:
            continue
        if safe_coverage(staged(static, encoder, least), alpha) >= wanted:
            return float(least)
    return None


def measure_pair(rows: Rows, assigned: Integers) -> Pair:
    """Choose the threshold, and measure the pair with thresholds chosen without the row's fold."""
    stops = choose_without_fold(rows, assigned)
    right = np.where(stops, rows.static_right, rows.encoder_right)
    return Pair(
        threshold=choose_threshold(rows),
        share=float(stops.mean()),
        static_accuracy=float(rows.static_right.mean()),
        accuracy=float(right.mean()),
        encoder_accuracy=float(rows.encoder_right.mean()),
    )


def choose_without_fold(rows: Rows, assigned: Integers) -> Bools:
    """Tell which rows stop at the static head, each by a threshold chosen on the other folds."""
    stops = np.zeros(len(assigned), dtype=np.bool_)
    for fold in np.unique(assigned):
        held = assigned == fold
        threshold = choose_threshold(_of(rows, ~held))
        if threshold is not None:
            stops[held] = rows.confidences[held] >= threshold
    return stops


def _bound(lost: Integers, gained: Integers, count: int) -> Float64:
    """Give the 95 % upper bound of the loss, (L - G) / n + z sqrt(L + G + 1 - (L - G)^2 / n) / n.

    L rows of n the encoder had right and the pair has not, G the other way round. The 1 keeps a
    few rows without any difference from passing for proof.
    """
    net = lost - gained
    spread = np.sqrt(np.maximum(lost + gained + 1 - net**2 / count, 0.0))
    found: Float64 = (net + CONFIDENCE_Z * spread) / count
    return found


def _of(rows: Rows, mask: Bools) -> Rows:
    return Rows(rows.confidences[mask], rows.static_right[mask], rows.encoder_right[mask])
