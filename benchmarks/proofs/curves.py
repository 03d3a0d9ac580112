"""What a ranking is worth: coverage at an error, area under the risk curve, AUROC."""

import numpy as np

from tidegate.statistics.calibration import Bools, Float64


def coverage_at(scores: Float64, is_wrong: Bools, error: float, weights: Float64) -> float:
    """Largest weighted coverage of the surest rows of which at most `error` are wrong."""
    order = np.argsort(-scores, kind="stable")
    covered = np.cumsum(weights[order])
    risk = np.cumsum((weights * is_wrong)[order]) / covered
    is_cut = np.append(scores[order][1:] < scores[order][:-1], True)
    allowed = np.flatnonzero((risk <= error) & is_cut)
    return float(covered[allowed[-1]] / covered[-1]) if len(allowed) else 0.0


def area(scores: Float64, is_wrong: Bools) -> float:
    """AURC: mean over k of the error among the k surest."""
    order = np.argsort(-scores, kind="stable")
    return float(np.mean(np.cumsum(is_wrong[order]) / np.arange(1, len(order) + 1)))


def auroc(higher: Float64, lower: Float64) -> float:
    """P(a value of `higher` is above one of `lower`), ties half."""
    both = np.sort(np.concatenate((higher, lower)))
    ranks = (np.searchsorted(both, higher, "left") + np.searchsorted(both, higher, "right")) / 2
    pairs = len(higher) * len(lower)
    return float((ranks.sum() - len(higher) * len(higher) / 2) / pairs)


def weighted(inside: int, outside: int, share: float) -> Float64:
    """Weigh rows so that those out of scope are `share` of the traffic; they come last."""
    return np.concatenate(
        (np.full(inside, (1 - share) / inside), np.full(outside, share / outside))
    )
