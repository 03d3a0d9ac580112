"""Logistic regression on a few features."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from tidegate.statistics.logistic import fit, sigmoid


def test_fit_is_the_weighted_maximum_likelihood() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(2_000, 2)) * (3.0, 0.1) + (5.0, -1.0)
    is_yes = generator.random(2_000) < sigmoid(features @ (0.7, -4.0) - 5.0)
    weights = generator.uniform(0.5, 2.0, 2_000)
    found = fit(features, is_yes, weights)
    scaled = features / features.std(axis=0)
    expected = LogisticRegression(C=1e6, tol=1e-10).fit(scaled, is_yes, weights)
    np.testing.assert_allclose(
        np.array(found.coefficients) * features.std(axis=0), expected.coef_[0], rtol=0.02
    )


def test_rows_that_can_be_parted_without_an_error_have_a_finite_fit() -> None:
    features = np.array([[-1.0], [-0.9], [0.9], [1.0]])
    found = fit(features, features[:, 0] > 0, np.ones(4))
    assert 0 < found.coefficients[0] < 10


def test_rows_that_are_all_right_have_a_finite_fit() -> None:
    found = fit(np.zeros((20, 2)), np.ones(20, dtype=bool), np.ones(20))
    assert found.coefficients == (0.0, 0.0)
    assert 3 < found.intercept < 20
