"""Exact binomial tails and the bounds that follow from them. numpy only.

P(X <= k) = I_{1-p}(n - k, k + 1), the regularised incomplete beta function, by its continued
fraction (Lentz's method; Press et al., Numerical Recipes, section 6.4). Arguments broadcast.
"""

import numpy as np
from numpy.typing import ArrayLike

from tidegate.statistics.calibration import Float64, Integers

MOST_TERMS = 20_000
"""Of the continued fraction; it needs about the square root of n."""
PRECISION = 1e-14
RATE_PRECISION = 1e-12
TINY = 1e-300
MOST_STEPS = 50
STIRLING = 10.0
"""From here on the series for ln Gamma has an error below 1e-14 relative."""


def tail(errors: ArrayLike, rows: ArrayLike, rate: ArrayLike) -> Float64:
    """P(X <= errors) for X ~ binomial(rows, rate): the p-value of "the rate is above `rate`".

    Exact in finite samples: under a rate of `rate` or more it is at most u with probability at
    most u. 1 where there are no rows.
    """
    k, n, p = np.broadcast_arrays(
        np.asarray(errors, np.float64), np.asarray(rows, np.float64), np.asarray(rate, np.float64)
    )
    inside = (k < n) & (k >= 0) & (p > 0) & (p < 1)
    found = np.where(k < 0, 0.0, np.where((k < n) & (p >= 1), 0.0, 1.0))
    found[inside] = _incomplete_beta(n[inside] - k[inside], k[inside] + 1.0, 1.0 - p[inside])
    return found


def upper_bound(errors: ArrayLike, rows: ArrayLike, level: float) -> Float64:
    """Clopper-Pearson: the largest rate that is not rejected at `level`; 1 without rows."""
    k, n = np.broadcast_arrays(np.asarray(errors, np.float64), np.asarray(rows, np.float64))
    bound = np.ones(k.shape)
    inside = (k < n) & (n > 0)
    if inside.any():
        bound[inside] = _upper_bound(k[inside], n[inside], level)
    return bound


def lower_bound(errors: ArrayLike, rows: ArrayLike, level: float) -> Float64:
    """Clopper-Pearson from the other side; 0 without errors."""
    k, n = np.broadcast_arrays(np.asarray(errors, np.float64), np.asarray(rows, np.float64))
    bound: Float64 = 1.0 - upper_bound(n - k, n, level)
    return np.where(k <= 0, 0.0, bound)


def most_errors(rows: ArrayLike, rate: float, level: float) -> Integers:
    """Largest number of errors that still shows a rate below `rate` at `level`; -1 where none."""
    n = np.atleast_1d(np.asarray(rows, np.int64))
    low, high = np.full(n.shape, -1, dtype=np.int64), n.copy()
    while (high - low > 1).any():
        middle = (low + high) // 2
        passes = tail(middle, n, rate) <= level
        low = np.where(passes, middle, low)
        high = np.where(passes, high, middle)
    return low


def fewest_rows(rate: float, level: float, errors: int = 0) -> int:
    """Fewest rows of which `errors` may be wrong: ln(level) / ln(1 - rate) when none is."""
    low, high = errors, max(errors, 1)
    while tail(errors, high, rate) > level:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if tail(errors, middle, rate) <= level:
            high = middle
        else:
            low = middle
    return high


def log_gamma(values: Float64) -> Float64:
    """ln Gamma(x) for x > 0: Stirling's series after shifting x above 10."""
    shift = np.zeros(values.shape)
    x = values.astype(np.float64, copy=True)
    for _ in range(int(STIRLING)):
        is_small = x < STIRLING
        shift = np.where(is_small, shift + np.log(np.where(is_small, x, 1.0)), shift)
        x = np.where(is_small, x + 1.0, x)
    inverse = 1.0 / x
    square = inverse * inverse
    series = inverse * (
        1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    )
    found: Float64 = (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + series - shift
    return found


def _upper_bound(k: Float64, n: Float64, level: float) -> Float64:
    """Solve ln P(X <= k) = ln level in the rate by Newton's method.

    The left side is concave and falls, so that every step after the first comes from the right.
    """
    scale = log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k)
    rate = (k + 1.0) / (n + 1.0)
    for _ in range(MOST_STEPS):
        below = tail(k, n, rate)
        density = np.exp(scale + k * np.log(rate) + (n - k - 1.0) * np.log1p(-rate))
        step = np.log(np.maximum(below, TINY) / level) * below / np.maximum(density, TINY)
        following = np.clip(rate + step, rate / 2.0, (1.0 + rate) / 2.0)
        if (np.abs(following - rate) <= RATE_PRECISION * rate).all():
            return following
        rate = following
    return rate


def _incomplete_beta(a: Float64, b: Float64, x: Float64) -> Float64:
    """I_x(a, b), from whichever side the fraction converges fast."""
    swap = x > (a + 1.0) / (a + b + 2.0)
    first, second = np.where(swap, b, a), np.where(swap, a, b)
    point = np.where(swap, 1.0 - x, x)
    front = np.exp(
        log_gamma(a + b)
        - log_gamma(a)
        - log_gamma(b)
        + first * np.log(point)
        + second * np.log1p(-point)
    )
    value = front * _fraction(first, second, point) / first
    found: Float64 = np.clip(np.where(swap, 1.0 - value, value), 0.0, 1.0)
    return found


def _fraction(a: Float64, b: Float64, x: Float64) -> Float64:
    """Continued fraction of the incomplete beta function by the modified Lentz method."""
    c = np.ones(a.shape)
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    h = d.copy()
    for m in range(1, MOST_TERMS):
        twice = a + 2.0 * m
        even = m * (b - m) * x / ((twice - 1.0) * twice)
        odd = -(a + m) * (a + b + m) * x / (twice * (twice + 1.0))
        step = np.ones(a.shape)
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            step = d * c
            h *= step
        if (np.abs(step - 1.0) < PRECISION).all():
            break
    return h


def _away_from_zero(values: Float64) -> Float64:
    kept: Float64 = np.where(np.abs(values) < TINY, TINY, values)
    return kept
