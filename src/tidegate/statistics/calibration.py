"""From a head's scores to probabilities that mean what they say, and how far they do.

Scores are divided by T = t (1 + m)^s before the softmax, m being the lead of the best over the
second: temperature scaling (s = 0) with one further parameter, because one temperature for all rows
was measured to be too timid where labels are close and too bold where they are not (CLINC150). The
order of labels never changes, nor does that of two rows by their margin, as |s| < 1.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.bundle import Calibration
from tidegate.statistics.linear import Float32, softmax

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

BINS = 15
STEPS = 50
TOLERANCE = 1e-6
PRIOR_DEVIATION = (1.0, 0.2)
"""Of ln t and s around 0: keeps a dozen rows without an error from giving a temperature near 0;
nothing beside the likelihood of some hundred rows."""
MOST_SLOPE = 0.9


def probabilities(scores: Float32, calibration: Calibration) -> Float32:
    """Give calibrated probabilities for one row of scores, or for each of several."""
    if scores.ndim == 1:
        return _probabilities_of_one(scores, calibration)
    inverse = np.power(1.0 + _margins(scores), -calibration.slope) / calibration.temperature
    return softmax(scores * np.asarray(inverse, np.float32)[..., None])


def _probabilities_of_one(scores: Float32, calibration: Calibration) -> Float32:
    """Do the same for one row in half the calls of numpy, which are what it costs."""
    second, best = np.partition(scores, -2)[-2:].tolist()
    inverse = (1.0 + best - second) ** -calibration.slope / calibration.temperature
    shares: Float32 = np.exp((scores - np.float32(best)) * np.float32(inverse))
    shares /= shares.sum()
    return shares


def fit(scores: Float32, targets: Integers) -> Calibration:
    """Fit temperature and slope by penalised likelihood on rows that the head has not seen.

    Damped Gauss-Newton on theta = (ln t, s). With b = exp(-theta . (1, ln(1 + m))), a row's loss is
    -ln softmax(b z)[y]; its derivative in b is E[z] - z[y], its curvature Var[z].
    """
    features = np.stack((np.ones(len(scores)), np.log1p(_margins(scores))), axis=1)
    theta = np.zeros(2)
    loss, gradient, curvature = _likelihood(scores, targets, features, theta)
    for _ in range(STEPS):
        step = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while True:
            trial = theta - scale * step
            trial[1] = np.clip(trial[1], -MOST_SLOPE, MOST_SLOPE)
            found = _likelihood(scores, targets, features, trial)
            if found[0] <= loss or scale < TOLERANCE:
                break
            scale /= 2.0
        moved = float(np.abs(trial - theta).max())
        theta, (loss, gradient, curvature) = trial, found
        if moved < TOLERANCE:
            break
    return Calibration(temperature=math.exp(theta[0]), slope=float(theta[1]))


def log_loss(scores: Float32, targets: Integers, calibration: Calibration) -> float:
    """Mean negative log-likelihood of the targets, in nats."""
    given = probabilities(scores, calibration)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(given, np.finfo(np.float32).tiny)).mean())


def expected_error(confidences: Float64, is_right: Bools) -> float:
    """ECE: sum over 15 equal-width bins of (n_b / n) |accuracy_b - confidence_b|."""
    gaps = is_right.astype(np.float64) - confidences
    return float(
        np.abs(np.bincount(_bins(confidences), weights=gaps, minlength=BINS)).sum()
        / len(confidences)
    )


def null_error(
    confidences: Float64, generator: np.random.Generator, *, draws: int = 1000, level: float = 0.95
) -> float:
    """Give the `level` quantile of the ECE that a perfectly calibrated model would show.

    Its rows have the same confidences and are right with exactly that probability.
    """
    bins = _bins(confidences)
    sample = np.empty(draws)
    for i in range(draws):
        gaps = (generator.random(len(confidences)) < confidences) - confidences
        sample[i] = np.abs(np.bincount(bins, weights=gaps, minlength=BINS)).sum()
    return float(np.quantile(sample, level) / len(confidences))


def _margins(scores: Float32) -> Float32:
    """Lead of the best score over the second, along the last axis."""
    best = np.partition(scores, -2, axis=-1)
    margins: Float32 = best[..., -1] - best[..., -2]
    return margins


def _bins(confidences: Float64) -> Integers:
    bins: Integers = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    return bins


def _likelihood(
    scores: Float32, targets: Integers, features: Float64, theta: Float64
) -> tuple[float, Float64, Float64]:
    """Penalised loss with its gradient and Gauss-Newton curvature in theta."""
    inverse = np.exp(-features @ theta)
    given = softmax(scores * inverse[:, None].astype(np.float32))
    rows = np.arange(len(targets))
    mean = np.einsum("ij,ij->i", given, scores, dtype=np.float64)
    variance = np.einsum("ij,ij,ij->i", given, scores, scores, dtype=np.float64) - mean**2
    weight = 1.0 / np.square(PRIOR_DEVIATION)
    loss = -np.log(np.maximum(given[rows, targets], np.finfo(np.float32).tiny)).sum(
        dtype=np.float64
    )
    slope = (mean - scores[rows, targets]) * -inverse
    bend = np.maximum(variance, 0.0) * inverse**2
    return (
        float(loss + 0.5 * (weight * theta**2).sum()),
        features.T @ slope + weight * theta,
        (features * bend[:, None]).T @ features + np.diag(weight),
    )
