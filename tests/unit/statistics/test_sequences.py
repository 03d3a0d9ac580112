"""Bets that hold at every moment: how often they are wrong, and how soon they see a change."""

import numpy as np

from tidegate.statistics.sequences import bet, dealt, leading, payoffs, restarted

STREAMS = 400


def test_leading_stops_at_the_first_that_does_not_pass() -> None:
    assert leading(np.array([0.01, 0.02, 0.9, 0.001]), 0.05) == 2
    assert leading(np.array([0.2]), 0.05) == 0
    assert leading(np.array([0.01, 0.02]), 0.05) == 2


def test_no_bettor_gains_while_the_rate_is_kept() -> None:
    for rate in (0.01, 0.05, 0.5):
        lost, won = payoffs(rate)
        np.testing.assert_allclose((1 - rate) * lost + rate * won, 1.0)
        assert (lost < 1.0).all()
        assert (won > 1.0).all()


def test_wealth_rarely_reaches_twenty_at_the_rate_itself() -> None:
    generator = np.random.default_rng(5)
    wealth = np.tile(dealt(0.05), (STREAMS, 1))
    has_alarmed = np.zeros(STREAMS, dtype=bool)
    for seen in range(1_000):
        wealth = bet(wealth, generator.random(STREAMS) < 0.05, seen, 0.05)
        has_alarmed |= wealth.sum(axis=1) >= 20
    assert has_alarmed.mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / STREAMS)


def test_a_change_after_a_long_good_time_is_seen() -> None:
    generator = np.random.default_rng(6)
    wealth = np.tile(dealt(0.02), (50, 1))
    for seen in range(2_000):
        wealth = bet(wealth, generator.random(50) < 0.005, seen, 0.02)
    found = np.full(50, -1)
    for seen in range(2_000, 2_600):
        wealth = bet(wealth, generator.random(50) < 0.10, seen, 0.02)
        found = np.where((found < 0) & (wealth.sum(axis=1) >= 20), seen - 2_000, found)
    assert (found >= 0).all()
    assert np.median(found) < 150


def test_sums_of_bettors_grow_by_one_a_step_on_average_at_the_rate_itself() -> None:
    generator = np.random.default_rng(7)
    sums = np.zeros((20_000, len(payoffs(0.1)[0])))
    for _ in range(20):
        sums = restarted(sums, generator.random(20_000) < 0.1, payoffs(0.1))
    np.testing.assert_allclose(sums[:, :2].mean(axis=0), 20.0, rtol=0.05)
