"""How unlike the training rows of its answer a vector is, and the accept score. numpy float32.

Relative Mahalanobis distance (Ren et al., arXiv 2106.09022): the squared distance to the mean of
the answered label, in the covariance within labels, less that to the mean of all rows, in the
covariance of all. What is far from everything is not mistaken for what is far from its label.
Both are quadratic in the vector, so their difference is one form for all labels.

The accept score is sigma(a + b ln(p / (1 - p)) + c novelty): P(right and in scope) with the
confidence p of the head. Without a novelty it is the confidence itself.
"""

import math

import numpy as np

from tidegate.domain.bundle import Novelty
from tidegate.statistics.calibration import Float64, Integers
from tidegate.statistics.linear import Float32

MOST_LOGIT = 500.0
"""Beyond this a probability is 0 or 1."""
SUREST = 1.0 - 1e-7
"""float32 rounds confidences to 1; their logit is cut here."""


def distances(novelty: Novelty, vectors: Float32, answers: Integers) -> Float64:
    """Give the novelty of each vector, `answers` being the labels that the head gave them."""
    quadratic = ((vectors @ novelty.form) * vectors).sum(axis=1)
    linear = (novelty.slopes[answers] * vectors).sum(axis=1)
    found: Float64 = (quadratic + linear + novelty.offsets[answers]).astype(np.float64)
    return found


def distance(novelty: Novelty, vector: Float32, answer: int) -> float:
    """Give the novelty of one vector."""
    pulled = vector @ novelty.form
    pulled += novelty.slopes[answer]
    return float(pulled @ vector) + float(novelty.offsets[answer])


def logit(confidence: Float64) -> Float64:
    """Give ln(p / (1 - p)), cut where floats end."""
    kept = np.clip(confidence, 1.0 - SUREST, SUREST)
    found: Float64 = np.log(kept) - np.log1p(-kept)
    return found


def accept_scores(
    novelty: Novelty | None, vectors: Float32, answers: Integers, confidence: Float64
) -> Float64:
    """Give the accept score of each row."""
    if novelty is None:
        return confidence
    terms = novelty.acceptance
    logits = (
        terms.intercept
        + terms.confidence * logit(confidence)
        + terms.novelty * distances(novelty, vectors, answers)
    )
    found: Float64 = 1.0 / (1.0 + np.exp(-np.clip(logits, -MOST_LOGIT, MOST_LOGIT)))
    return found


def accept_score(novelty: Novelty | None, vector: Float32, answer: int, confidence: float) -> float:
    """Give the accept score of one answer."""
    if novelty is None:
        return confidence
    terms = novelty.acceptance
    kept = min(max(confidence, 1.0 - SUREST), SUREST)
    value = (
        terms.intercept
        + terms.confidence * math.log(kept / (1.0 - kept))
        + terms.novelty * distance(novelty, vector, answer)
    )
    return 1.0 / (1.0 + math.exp(-min(max(value, -MOST_LOGIT), MOST_LOGIT)))
