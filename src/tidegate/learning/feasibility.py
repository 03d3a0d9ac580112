"""What it would take to grant a guarantee that cannot be granted now. Pure.

Only calibration rows and counts are used, so that waiting as long as this says reveals nothing of
the test rows.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegate.domain.guarantee import Infeasible, NoiseFloor
from tidegate.statistics import binomial
from tidegate.statistics.calibration import Float64, Integers

START_FACTOR = 2.0
"""The first threshold should accept this multiple of the rows that would do without an error."""
NEAREST = 0.95
"""Of alpha: calibration rows that err more often than this do not get there with more rows."""
MOST_ROWS = 1_000_000
MOST_CANDIDATES = 16
NOISE_LEVEL = 0.05
"""The noise floor is named as the reason when its 95 % lower bound lies above alpha."""
FEWEST_PAIRS = 100
"""Requests put to the upstream twice, from which on its upper bound says something, too."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How fast test rows come."""

    requests_per_s: float | None = None
    """Of this task, today; None: not known, or rows come from a file."""
    test_share: float = 1.0
    """Share of requests that become test rows."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One alpha with its part of delta, and the test rows there are."""

    alpha: float
    level: float
    test_rows: int

    @property
    def least_accepted(self) -> int:
        """Test rows that the first threshold has to accept: 2 ln(level) / ln(1 - alpha)."""
        return math.ceil(START_FACTOR * math.log(self.level) / math.log1p(-self.alpha))


def infeasible(
    rates: Float64, shares: Float64, aim: Aim, noise: NoiseFloor | None, traffic: Traffic
) -> Infeasible:
    """Say how many rows are missing at the threshold that needs the fewest requests.

    `rates` and `shares` are loss and coverage of the calibration rows at each candidate.
    """
    usable = (rates <= NEAREST * aim.alpha) & (shares > 0)
    if not usable.any() or (noise is not None and _floor(noise) > aim.alpha):
        return _hopeless(rates, aim, noise)
    picked = np.flatnonzero(usable)
    picked = picked[np.unique(np.linspace(0, len(picked) - 1, MOST_CANDIDATES).astype(int))]
    needed = np.maximum(rows_needed(rates[picked], aim), aim.least_accepted)
    best = int(np.argmin(needed / shares[picked]))
    coverage = float(shares[picked][best])
    missing = max(math.ceil(needed[best] - coverage * aim.test_rows), 1)
    return lacking(
        missing,
        coverage,
        traffic,
        f"{aim.test_rows} test rows are too few to show {aim.alpha:g}",
    )


def lacking(missing: int, coverage: float, traffic: Traffic, reason: str) -> Infeasible:
    """Turn missing accepted rows into requests and time."""
    requests = math.ceil(missing / (coverage * traffic.test_share))
    rate = traffic.requests_per_s
    return Infeasible(
        reason=reason,
        further_accepted=missing,
        coverage=coverage,
        further_requests=requests,
        wait_s=requests / rate if rate else None,
    )


def rows_needed(rates: Float64, aim: Aim) -> Integers:
    """Fewest rows n, for each rate r, such that r n errors among n pass at the level."""
    low = np.ones(len(rates), dtype=np.int64)
    high = np.full(len(rates), aim.least_accepted, dtype=np.int64)
    while True:
        fails = binomial.tail(np.ceil(rates * high), high, aim.alpha) > aim.level
        if not fails.any() or int(high.max()) >= MOST_ROWS:
            break
        low, high = np.where(fails, high, low), np.where(fails, 2 * high, high)
    while (high - low > np.maximum(low // 100, 1)).any():
        middle = (low + high) // 2
        passes = binomial.tail(np.ceil(rates * middle), middle, aim.alpha) <= aim.level
        high = np.where(passes, middle, high)
        low = np.where(passes, low, middle)
    return high


def with_floor(why: Infeasible, noise: NoiseFloor | None, alpha: float) -> Infeasible:
    """Name the upstream's own noise beside a reason that it may lie behind.

    It is likely where the estimate is above `alpha`, possible where only its upper bound is.
    """
    if noise is None or "noise floor" in why.reason:
        return why
    most = float(binomial.upper_bound(noise.disagreements, noise.pairs, NOISE_LEVEL))
    is_likely = noise.from_usual > alpha
    if not is_likely and (noise.pairs < FEWEST_PAIRS or most / 2.0 <= alpha):
        return why
    place = "is near or above that" if is_likely else "may be as large as that"
    return replace(
        why,
        reason=f"{why.reason}; the upstream's noise floor {place}: two of its answers to one"
        f" request differ in {noise.between_answers:.1%} of {noise.pairs} pairs (at most"
        f" {most:.1%}), so one differs from its own usual one in about {noise.from_usual:.1%}",
    )


def _hopeless(rates: Float64, aim: Aim, noise: NoiseFloor | None) -> Infeasible:
    """Name the upstream's own noise where that is why."""
    reason = "each language and region has too few calibration rows to be answered here"
    if len(rates):
        reason = (
            f"even the surest calibration rows are wrong at a rate of {float(rates.min()):.3f},"
            f" {aim.alpha:g} is asked for"
        )
    if noise is not None and _floor(noise) > aim.alpha:
        reason = (
            "the upstream's noise floor is above what is asked for: two of its answers to one"
            f" request differ in {noise.between_answers:.1%} of {noise.pairs} pairs, so one answer"
            f" differs from its own usual one in about {noise.from_usual:.1%}; no head can agree"
            f" with it more than that. Ask for more than {noise.from_usual:.1%}"
        )
    return Infeasible(
        reason=reason, further_accepted=None, coverage=0.0, further_requests=None, wait_s=None
    )


def _floor(noise: NoiseFloor) -> float:
    """Lower confidence bound of how far one answer is from the usual one."""
    return float(binomial.lower_bound(noise.disagreements, noise.pairs, NOISE_LEVEL)) / 2.0
