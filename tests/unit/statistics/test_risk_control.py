"""Conformal risk control keeps its promise on average."""

import numpy as np

from tidegate.statistics.risk_control import threshold


def test_smallest_threshold_whose_losses_stay_below_alpha() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6] + [0.1] * 95)
    is_wrong = np.array([False, True, False, True] + [True] * 95)
    assert threshold(scores, is_wrong, 0.03) == 0.6
    assert threshold(scores, is_wrong, 0.02) == 0.7
    assert threshold(scores, is_wrong, 0.005) is None


def test_expected_loss_is_at_most_alpha() -> None:
    generator = np.random.default_rng(8)
    losses = []
    for _ in range(400):
        scores = generator.random(201)
        is_wrong = generator.random(201) > scores
        cut = threshold(scores[:-1], is_wrong[:-1], 0.05)
        losses.append(cut is not None and bool(is_wrong[-1]) and scores[-1] >= cut)
    assert np.mean(losses) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_nothing_is_answered_without_rows() -> None:
    assert threshold(np.array([]), np.array([], dtype=bool), 0.05) is None
