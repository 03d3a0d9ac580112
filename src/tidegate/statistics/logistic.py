"""Logistic regression on a handful of features. numpy only; heads are fitted elsewhere."""

from dataclasses import dataclass

import numpy as np

from tidegate.statistics.calibration import Bools, Float64

STEPS = 50
TOLERANCE = 1e-8
PENALTY = 1.0
"""L2, on features of deviation 1: nothing beside some hundred rows, and a minimum where rows can
be parted without an error."""
MOST = 500.0
"""Logits beyond this are as good as certain."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """P(yes) = 1 / (1 + exp(-(intercept + coefficients . x)))."""

    intercept: float
    coefficients: tuple[float, ...]


def sigmoid(logits: Float64) -> Float64:
    """Turn logits into probabilities."""
    found: Float64 = 1.0 / (1.0 + np.exp(-np.clip(logits, -MOST, MOST)))
    return found


def fit(features: Float64, is_yes: Bools, weights: Float64) -> Logistic:
    """Fit by Newton's method with halved steps; a row of `features` is one row."""
    centre = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))
    spread = np.where(spread > 0, spread, 1.0)
    rows = np.column_stack(((features - centre) / spread, np.ones(len(features))))
    penalty = np.append(np.full(features.shape[1], PENALTY), 0.0)
    # An intercept of half a row keeps rows that are all right from asking for an infinite one.
    penalty[-1] = 1e-3
    theta = np.zeros(rows.shape[1])
    loss = _loss(rows, is_yes, weights, theta, penalty)
    for _ in range(STEPS):
        given = sigmoid(rows @ theta)
        gradient = rows.T @ (weights * (given - is_yes)) + penalty * theta
        bend = (rows * (weights * given * (1.0 - given))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(bend, gradient)
        scale = 1.0
        while scale > TOLERANCE:
            found = _loss(rows, is_yes, weights, theta - scale * step, penalty)
            if found <= loss:
                break
            scale /= 2.0
        theta, loss = theta - scale * step, found
        if float(np.abs(scale * step).max()) < TOLERANCE:
            break
    coefficients = theta[:-1] / spread
    return Logistic(float(theta[-1] - coefficients @ centre), tuple(coefficients.tolist()))


def _loss(
    rows: Float64, is_yes: Bools, weights: Float64, theta: Float64, penalty: Float64
) -> float:
    signs = np.where(is_yes, 1.0, -1.0)
    losses = weights @ np.logaddexp(0.0, -signs * (rows @ theta))
    return float(losses + 0.5 * (penalty * theta**2).sum())
