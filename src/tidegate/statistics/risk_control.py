"""Conformal risk control: a bound on average.

Angelopoulos, Bates, Fisch, Lei, Schuster (arXiv 2208.02814). The loss is 1 for a row that is
answered and wrong. It never grows with the threshold, so the smallest threshold with
(losses + 1) / (n + 1) <= alpha has an expected loss of at most alpha, over the draw of the rows and
of one further row. That bounds P(wrong and answered), not P(wrong | answered).
"""

import numpy as np

from tidegate.statistics.calibration import Bools, Float64


def threshold(scores: Float64, is_wrong: Bools, alpha: float) -> float | None:
    """Give the smallest such threshold among the scores; None where even the highest is too low."""
    if len(scores) == 0:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    losses = np.cumsum(is_wrong[order])
    is_cut = np.append(ranked[1:] < ranked[:-1], True) & np.isfinite(ranked)
    allowed = np.flatnonzero(is_cut & ((losses + 1.0) / (len(scores) + 1.0) <= alpha))
    return float(ranked[allowed[-1]]) if len(allowed) else None
