"""Exact binomial tails against scipy."""

import numpy as np
from scipy import stats

from tidegate.statistics.binomial import fewest_rows, lower_bound, most_errors, tail, upper_bound


def _cases(seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = generator.integers(1, 20_000, 2_000)
    rates = 10 ** generator.uniform(-4, -0.01, 2_000)
    errors = np.clip(generator.binomial(rows, rates) + generator.integers(-9, 9, 2_000), 0, rows)
    return errors, rows, rates


def test_tail_is_the_binomial_distribution_function() -> None:
    errors, rows, rates = _cases()
    expected = stats.binom.cdf(errors, rows, rates)
    np.testing.assert_allclose(tail(errors, rows, rates), expected, rtol=1e-8, atol=1e-14)


def test_tail_at_the_edges() -> None:
    assert tail(0, 0, 0.02) == 1.0
    assert tail(-1, 10, 0.02) == 0.0
    assert tail(10, 10, 0.02) == 1.0
    assert tail(3, 10, 0.0) == 1.0
    assert tail(3, 10, 1.0) == 0.0


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    errors, rows, _ = _cases(4)
    for level in (0.05, 1e-5):
        above = np.where(
            errors >= rows, 1.0, stats.beta.ppf(1 - level, errors + 1, np.maximum(rows - errors, 1))
        )
        below = np.where(
            errors == 0, 0.0, stats.beta.ppf(level, np.maximum(errors, 1), rows - errors + 1)
        )
        np.testing.assert_allclose(upper_bound(errors, rows, level), above, rtol=1e-7)
        np.testing.assert_allclose(lower_bound(errors, rows, level), below, atol=1e-9)


def test_rows_that_show_a_rate_without_an_error() -> None:
    assert [fewest_rows(rate, 0.05) for rate in (0.01, 0.02, 0.05)] == [299, 149, 59]


def test_most_errors_is_the_last_that_passes() -> None:
    rows = np.array([148, 149, 500, 3_000])
    found = most_errors(rows, 0.02, 0.05)
    assert found[0] == -1
    assert (tail(found[1:], rows[1:], 0.02) <= 0.05).all()
    assert (tail(found + 1, rows, 0.02) > 0.05).all()
