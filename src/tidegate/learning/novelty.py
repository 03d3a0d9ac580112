"""Fits what tells a text unlike anything trained on, and the accept score made of it. Pure.

Every value that the accept score is fitted on is of a row that neither the head nor the means and
covariances had seen: rows are scored fold by fold. Out-of-scope rows teach it where there are some;
without them, rows stand in whose own label the head is made to forget.
"""

from dataclasses import dataclass, replace

import numpy as np

from tidegate.domain.bundle import Acceptance, Calibration, Float32, Novelty
from tidegate.statistics import logistic
from tidegate.statistics.calibration import Bools, Float64, Integers, probabilities
from tidegate.statistics.novelty import distances, logit

SHRINKAGE = 0.1
"""Towards a multiple of the identity, of both covariances."""
SMALLEST = 1e-12
"""Of a mean variance: rows that are all the same give a covariance that can be inverted."""
FEWEST_OF_LABEL = 5
"""A mean of fewer rows than this would give away a training row; such a label has no novelty."""
OUT_OF_SCOPE_SHARE = 0.05
"""Least weight of out-of-scope rows in the accept score. Measured on CLINC150, dev rows: from 3 to
10 % coverage at 2 % error among rows in scope falls by half a point, with 18 % out of scope it
rises by two."""
FEWEST_LABELS_TO_FORGET = 5
MOST_FORGOTTEN = 2_000
_UNFITTED = Acceptance(intercept=0.0, confidence=1.0, novelty=0.0)
"""The accept score is the confidence itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Training rows with what heads that had not seen them said."""

    vectors: Float32
    targets: Integers
    folds: Integers
    scores: Float32
    """Out-of-fold, one column a label."""
    calibration: Calibration


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """Out-of-scope rows with what the head says to them."""

    vectors: Float32
    scores: Float32


def fit_novelty(seen: Seen, outside: Outside | None) -> Novelty:
    """Fit on all rows; the accept score on values of rows that were left out."""
    novelty = _shape(seen.vectors, seen.targets, seen.scores.shape[1])
    return replace(novelty, acceptance=_acceptance(seen, outside, novelty))


def _shape(vectors: Float32, targets: Integers, labels: int) -> Novelty:
    """Fit means and covariances: (v - m_c)' A (v - m_c) - (v - m)' B (v - m), multiplied out."""
    rows = vectors.astype(np.float64)
    counts = np.bincount(targets, minlength=labels).astype(np.float64)
    member = (targets[:, None] == np.arange(labels)[None, :]).astype(np.float64)
    means = (member.T @ rows) / np.maximum(counts, 1.0)[:, None]
    overall = rows.mean(axis=0)
    within, whole = _inverse(rows - means[targets]), _inverse(rows - overall)
    pulled: Float64 = means @ within
    slopes: Float64 = 2.0 * (overall @ whole) - 2.0 * pulled
    offsets: Float64 = (pulled * means).sum(axis=1) - overall @ whole @ overall
    form = within - whole
    is_few = counts < FEWEST_OF_LABEL
    typical = float(np.median(_raw(form, slopes, offsets, rows, targets)))
    slopes[is_few], offsets[is_few] = -(form @ overall), typical
    return Novelty(
        form=form.astype(np.float32),
        slopes=slopes.astype(np.float32),
        offsets=offsets.astype(np.float32),
        acceptance=_UNFITTED,
    )


def _inverse(deviations: Float64) -> Float64:
    """Invert a covariance pulled towards a ball."""
    covariance = deviations.T @ deviations / len(deviations)
    size = float(np.trace(covariance)) / len(covariance)
    ball = max(size, SMALLEST) * np.eye(len(covariance))
    shrunk: Float64 = (1.0 - SHRINKAGE) * covariance + SHRINKAGE * ball
    return np.linalg.inv(shrunk).astype(np.float64)


def _raw(
    form: Float64, slopes: Float64, offsets: Float64, rows: Float64, answers: Integers
) -> Float64:
    found: Float64 = ((rows @ form + slopes[answers]) * rows).sum(axis=1) + offsets[answers]
    return found


def _acceptance(seen: Seen, outside: Outside | None, novelty: Novelty) -> Acceptance:
    """Fit the logistic model on left-out rows, and on rows that are out of scope."""
    answers = seen.scores.argmax(axis=1)
    confidence = probabilities(seen.scores, seen.calibration).max(axis=1).astype(np.float64)
    novelties = np.empty(len(answers))
    strangers: list[Float64] = []
    forgotten = _forgotten(len(answers), seen.scores.shape[1], outside)
    for fold in np.unique(seen.folds):
        held = seen.folds == fold
        shape = _shape(seen.vectors[~held], seen.targets[~held], seen.scores.shape[1])
        novelties[held] = distances(shape, seen.vectors[held], answers[held])
        strangers.append(_without_own_label(seen, np.flatnonzero(held & forgotten), shape))
    if outside is not None:
        said = outside.scores.argmax(axis=1)
        sure = probabilities(outside.scores, seen.calibration).max(axis=1).astype(np.float64)
        strangers = [np.column_stack((logit(sure), distances(novelty, outside.vectors, said)))]
    inside = np.column_stack((logit(confidence), novelties))
    return _model(inside, answers == seen.targets, np.concatenate(strangers))


def _forgotten(rows: int, labels: int, outside: Outside | None) -> Bools:
    """Choose every n-th row to stand in for what is out of scope, where nothing better is there."""
    chosen = np.zeros(rows, dtype=np.bool_)
    if outside is None and labels >= FEWEST_LABELS_TO_FORGET:
        chosen[:: max(rows // MOST_FORGOTTEN, 1)] = True
    return chosen


def _without_own_label(seen: Seen, rows: Integers, shape: Novelty) -> Float64:
    """Score rows as if their own label did not exist: they are then like nothing known."""
    kept = np.array(
        [np.delete(seen.scores[row], seen.targets[row]) for row in rows], dtype=np.float32
    ).reshape(len(rows), seen.scores.shape[1] - 1)
    if not len(rows):
        return np.empty((0, 2))
    answers = kept.argmax(axis=1)
    sure = probabilities(kept, seen.calibration).max(axis=1).astype(np.float64)
    answers += answers >= seen.targets[rows]
    return np.column_stack((logit(sure), distances(shape, seen.vectors[rows], answers)))


def _model(inside: Float64, is_right: Bools, strangers: Float64) -> Acceptance:
    """Weigh strangers to their least share; no novelty may speak for an answer."""
    features = np.concatenate((inside, strangers))
    is_accepted = np.append(is_right, np.zeros(len(strangers), dtype=np.bool_))
    weights = np.ones(len(features))
    if len(strangers):
        natural = len(strangers) / len(features)
        share = max(natural, OUT_OF_SCOPE_SHARE)
        weights[len(inside) :] = share / (1.0 - share) * len(inside) / len(strangers)
    # Without a row that is wrong there is nothing to learn, and any score would be as good.
    if is_accepted.all():
        return _UNFITTED
    fitted = logistic.fit(features, is_accepted, weights)
    made = Acceptance(fitted.intercept, fitted.coefficients[0], fitted.coefficients[1])
    if made.novelty > 0.0:
        alone = logistic.fit(features[:, :1], is_accepted, weights)
        made = Acceptance(alone.intercept, alone.coefficients[0], 0.0)
    # A confidence that would speak against its answer: chance, as where labels are wrong at random.
    return made if made.confidence > 0.0 else _UNFITTED
