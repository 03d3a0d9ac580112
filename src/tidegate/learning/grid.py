"""The thresholds that will be tested, fixed on calibration rows before a test row is looked at.

A grid begins where a pass is likeliest, at a threshold that should accept 2 ln(level) /
ln(1 - alpha) test rows or more, and goes on to looser ones in even steps of coverage. Pure.
"""

import math
from dataclasses import dataclass

import numpy as np

from tidegate.domain.guarantee import Infeasible, NoiseFloor, Unit
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.feasibility import Aim, Traffic, infeasible, lacking
from tidegate.statistics import binomial
from tidegate.statistics.calibration import Bools, Float64, Integers

MOST_THRESHOLDS = 16
"""Of one grid. A finer one finds little more coverage and costs later attempts: ln of this, over
alpha, in accepted rows."""
MOST_CANDIDATES = 128
"""Thresholds that are looked at on calibration rows, in even steps of coverage."""
SLACK = 2.0
"""Standard deviations by which fewer test rows than expected may be accepted at the first."""
LOOSEST = 2.0
"""The grid ends where calibration rows show this multiple of alpha."""
FEWEST_OF_STRATUM = 60
"""Calibration rows below which a stratum is not answered here: 59 without an error are what shows
less than 5 % at 95 % confidence."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be shown."""

    alphas: tuple[float, ...]
    """Ascending; the last one is the task's own."""
    delta: float
    unit: Unit = "delivered answer"
    noise: NoiseFloor | None = None
    """Of the upstream that gives the labels."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The thresholds of one alpha, strictest first; none where a test is not worth an attempt."""

    aim: Aim
    thresholds: tuple[float, ...]
    otherwise: Infeasible
    """What to say when nothing passes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is fixed before a test row is looked at."""

    grids: tuple[Grid, ...]
    allowed: frozenset[str]
    """Strata with enough calibration rows."""

    @property
    def is_worth_an_attempt(self) -> bool:
        """Whether any alpha has a threshold to test; without one no attempt is spent."""
        return any(grid.thresholds for grid in self.grids)

    @property
    def outcomes(self) -> int:
        """How many results the test can have: what a grant reveals of the test rows."""
        return math.prod(len(grid.thresholds) + 1 for grid in self.grids)


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """Calibration rows from the surest on, at scores that differ from the next."""

    cuts: Float64
    shares: Float64
    """Coverage."""
    rates: Float64
    """Loss among the accepted, pulled a little towards 1/2 where they are few."""
    is_clean: Bools
    """Where none of the accepted is wrong: too few rows to call anything hopeless."""
    missed: tuple[tuple[Float64, float], ...]
    """For each critical label: rate of missed ones at each cut, and its share of all rows."""


def prepare(
    calibration: AuditRows, terms: Terms, *, share: float, test_rows: int, traffic: Traffic
) -> Plan:
    """Fix the grid of each alpha; `share` is the attempt's part of delta (`attempts.py`)."""
    allowed = frozenset(
        name for name, member in calibration.strata.items() if member.sum() >= FEWEST_OF_STRATUM
    )
    curve = _curve(usable(calibration, allowed, terms.unit))
    level = terms.delta * share / len(terms.alphas)
    grids = tuple(
        _grid(curve, Aim(alpha, level, test_rows), terms.noise, traffic) for alpha in terms.alphas
    )
    return Plan(grids, allowed)


def usable(rows: AuditRows, allowed: frozenset[str], unit: Unit) -> AuditRows:
    """Never accept rows of other strata; keep one row a group where distinct ones are counted."""
    scores = rows.scores.copy()
    for name, member in rows.strata.items():
        if name not in allowed:
            scores[member] = -math.inf
    kept = np.arange(len(scores))
    if unit == "distinct decision":
        kept = np.sort(np.unique(rows.groups, return_index=True)[1])
    return AuditRows(
        scores=scores[kept],
        is_wrong=rows.is_wrong[kept],
        groups=rows.groups[kept],
        critical={label: is_it[kept] for label, is_it in rows.critical.items()},
        strata={name: member[kept] for name, member in rows.strata.items()},
    )


def _curve(rows: AuditRows) -> _Curve:
    order = np.argsort(-rows.scores, kind="stable")
    ranked = rows.scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True) & np.isfinite(ranked))
    if len(ends) > MOST_CANDIDATES:
        ends = ends[np.linspace(0, len(ends) - 1, MOST_CANDIDATES).astype(np.int64)]
    is_wrong = rows.is_wrong[order]
    return _Curve(
        cuts=ranked[ends],
        shares=(ends + 1) / max(len(ranked), 1),
        rates=(np.cumsum(is_wrong)[ends] + 0.5) / (ends + 2.0),
        is_clean=np.cumsum(is_wrong)[ends] == 0,
        missed=tuple(
            (_missed(is_wrong, is_it[order], ends), float(is_it.mean()))
            for is_it in rows.critical.values()
        ),
    )


def _missed(is_wrong: Bools, is_it: Bools, ends: Integers) -> Float64:
    rates: Float64 = (np.cumsum(is_wrong & is_it)[ends] + 0.5) / (is_it.sum() + 1.0)
    return rates


def _grid(curve: _Curve, aim: Aim, noise: NoiseFloor | None, traffic: Traffic) -> Grid:
    expected = curve.shares * aim.test_rows
    spread = SLACK * np.sqrt(expected * (1.0 - curve.shares))
    promise = _promise(curve.rates, expected, aim)
    for rates, share in curve.missed:
        promise = np.maximum(
            promise, _promise(rates, np.full(len(rates), share * aim.test_rows), aim)
        )
    worth = np.flatnonzero((expected - spread >= aim.least_accepted) & (promise <= aim.level))
    if len(worth) == 0:
        return Grid(aim, (), _lacking(curve, aim, noise, traffic))
    first = int(worth[np.argmin(promise[worth])])
    last = max(first, int(np.flatnonzero(curve.rates <= LOOSEST * aim.alpha)[-1]))
    steps = np.linspace(curve.shares[first], curve.shares[last], MOST_THRESHOLDS)
    chosen = np.unique(np.searchsorted(curve.shares, steps).clip(first, last))
    again = lacking(
        math.ceil(expected[first]),
        float(curve.shares[first]),
        traffic,
        f"{aim.test_rows} test rows did not show {aim.alpha:g}, though calibration rows had"
        " promised it; try again with twice as many",
    )
    return Grid(aim, tuple(curve.cuts[chosen].tolist()), again)


def _promise(rates: Float64, counts: Float64, aim: Aim) -> Float64:
    """Give the p-value that test rows would have if they erred as calibration rows did."""
    return binomial.tail(np.floor(rates * counts), np.floor(counts), aim.alpha)


def _lacking(curve: _Curve, aim: Aim, noise: NoiseFloor | None, traffic: Traffic) -> Infeasible:
    """Name what holds a grant back: all rows, or those of a critical label."""
    rates = np.where(curve.is_clean, np.minimum(curve.rates, aim.alpha / 2.0), curve.rates)
    found = infeasible(rates, curve.shares, aim, noise, traffic)
    for missed, share in curve.missed:
        of_class = Aim(aim.alpha, aim.level, math.floor(share * aim.test_rows))
        ones = infeasible(missed, np.ones(len(missed)), of_class, noise, traffic)
        scaled = _of_class(ones, share, traffic)
        if (scaled.further_requests or math.inf) > (found.further_requests or math.inf):
            found = scaled
    return found


def _of_class(found: Infeasible, share: float, traffic: Traffic) -> Infeasible:
    """Count requests for rows of which only `share` are of the critical label."""
    if found.further_accepted is None or share == 0.0:
        return found
    return lacking(found.further_accepted, share, traffic, f"{found.reason} in a critical class")
