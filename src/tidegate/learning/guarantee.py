"""Learn-then-Test: which thresholds a bundle may be given, on the evidence of test rows. Pure.

Angelopoulos, Bates, Candes, Jordan, Lei (arXiv 2110.01052), with exact binomial p-values and fixed
sequences: from the first threshold of a grid on, as long as the p-value of "the loss is above
alpha" is at most the level, the next looser one is tested; the last that passed is granted.

The level is delta times the attempt's share (`attempts.py`), divided among the alphas. The first
threshold of a grid whose loss is truly above alpha passes with probability at most the level,
whatever the distribution, because grids do not depend on test rows (`grid.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.guarantee import CriticalClass, Infeasible, Level, Stratum
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.grid import Grid, Plan, Terms, usable
from tidegate.statistics import binomial
from tidegate.statistics.calibration import Float64, Integers
from tidegate.statistics.risk_control import threshold
from tidegate.statistics.sequences import leading


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the test rows said."""

    levels: tuple[Level, ...]
    """Strictest alpha first, as in the terms."""
    critical: tuple[CriticalClass, ...]
    strata: tuple[Stratum, ...]
    rows: int

    @property
    def is_granted(self) -> bool:
        """Whether any alpha got a threshold."""
        return any(level.threshold is not None for level in self.levels)


def verdict(plan: Plan, rows: AuditRows, terms: Terms) -> Verdict:
    """Test; to be called once an attempt has been written down, and once only."""
    tested = usable(rows, plan.allowed, terms.unit)
    cuts = _nested([_passed(grid, tested) for grid in plan.grids])
    levels = tuple(_level(grid, cut, tested) for grid, cut in zip(plan.grids, cuts, strict=True))
    own = math.inf if cuts[-1] is None else cuts[-1]
    return Verdict(
        levels=levels,
        critical=_critical(tested, own, plan.grids[-1].aim.level),
        strata=_strata(tested, own, plan.allowed),
        rows=len(tested),
    )


def averaged(rows: AuditRows, alphas: Sequence[float]) -> Verdict:
    """Choose thresholds by conformal risk control: wrong and local <= alpha, on average.

    There is no confidence in it and so no level to spend; the upper bound is what was observed.
    """
    levels: list[Level] = []
    cut: float | None = None
    for alpha in alphas:
        cut = threshold(rows.scores, rows.is_wrong, alpha)
        accepted = rows.scores >= (math.inf if cut is None else cut)
        count, errors = int(accepted.sum()), int((accepted & rows.is_wrong).sum())
        share = count / max(len(rows), 1)
        lacking = None if cut is not None else _none_on_average(rows, alpha)
        observed = (errors + 1) / (len(rows) + 1)
        levels.append(Level(alpha, cut, count, errors, share, observed, lacking))
    own = math.inf if cut is None else cut
    return Verdict(tuple(levels), (), _strata(rows, own, frozenset(rows.strata)), len(rows))


def _none_on_average(rows: AuditRows, alpha: float) -> Infeasible:
    """Count the rows at which one error would be at most alpha: 1 / alpha - 1."""
    missing = max(math.ceil(1.0 / alpha) - 1 - len(rows), 0)
    few = f"{len(rows)} rows are too few to show {alpha:g} on average"
    return Infeasible(few, missing or None, 0.0, missing or None, None)


def p_values(rows: AuditRows, thresholds: Float64, alpha: float) -> Float64:
    """Give the p-value of "loss > alpha", among all or in a critical class, at each threshold.

    A union of hypotheses is rejected when each of them is, without a correction: the largest
    p-value counts (Berger 1982).
    """
    accepted = rows.scores[:, None] >= thresholds[None, :]
    wrong = accepted & rows.is_wrong[:, None]
    counts, errors = _effective(accepted, wrong, rows.groups)
    found = binomial.tail(errors, counts, alpha)
    for is_it in rows.critical.values():
        missed = (wrong & is_it[:, None]).sum(axis=0)
        found = np.maximum(found, binomial.tail(missed, int(is_it.sum()), alpha))
    return found


def _passed(grid: Grid, rows: AuditRows) -> float | None:
    """Give the loosest threshold that passed."""
    if not grid.thresholds:
        return None
    thresholds = np.array(grid.thresholds)
    if int((rows.scores >= thresholds[0]).sum()) < grid.aim.least_accepted:
        return None
    passed = leading(p_values(rows, thresholds, grid.aim.alpha), grid.aim.level)
    return None if passed == 0 else float(thresholds[passed - 1])


def _nested(cuts: list[float | None]) -> list[float | None]:
    """Let a looser alpha have what a stricter one was granted: a smaller loss is below both."""
    found: list[float | None] = []
    for cut in cuts:
        known = [one for one in (*found[-1:], cut) if one is not None]
        found.append(min(known) if known else None)
    return found


def _level(grid: Grid, cut: float | None, rows: AuditRows) -> Level:
    if cut is None:
        return Level(grid.aim.alpha, None, 0, 0, 0.0, 1.0, grid.otherwise)
    accepted = rows.scores >= cut
    count, errors = int(accepted.sum()), int((accepted & rows.is_wrong).sum())
    upper = float(binomial.upper_bound(errors, count, grid.aim.level))
    return Level(grid.aim.alpha, cut, count, errors, count / max(len(rows), 1), upper)


def _critical(rows: AuditRows, cut: float, level: float) -> tuple[CriticalClass, ...]:
    missed = rows.is_wrong & (rows.scores >= cut)
    found = []
    for label, is_it in rows.critical.items():
        count, errors = int(is_it.sum()), int((missed & is_it).sum())
        upper = float(binomial.upper_bound(errors, count, level))
        found.append(CriticalClass(label, count, errors, upper))
    return tuple(found)


def _strata(rows: AuditRows, cut: float, allowed: frozenset[str]) -> tuple[Stratum, ...]:
    accepted = rows.scores >= cut
    return tuple(
        Stratum(
            name,
            int(member.sum()),
            int((member & accepted).sum()),
            int((member & accepted & rows.is_wrong).sum()),
            name in allowed,
        )
        for name, member in sorted(rows.strata.items())
    )


def _effective(
    accepted: NDArray[np.bool_], wrong: NDArray[np.bool_], groups: Integers
) -> tuple[Integers, Integers]:
    """Count accepted rows and errors at each threshold, as if they were independent.

    Rows of one group are not. Where groups have several accepted rows, counts are scaled to the
    effective number n^2 / sum m_g^2 (Kish), as though a group's rows always erred together; without
    repeats nothing is scaled and the p-value is exact.
    """
    counts, errors = accepted.sum(axis=0), wrong.sum(axis=0)
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if sizes.max(initial=1) == 1:
        return counts, errors
    for column in range(accepted.shape[1]):
        members = np.bincount(index, weights=accepted[:, column])
        total = int(counts[column])
        if total == 0:
            continue
        independent = int(total * total / np.square(members).sum())
        errors[column] = math.ceil(errors[column] * independent / total)
        counts[column] = independent
    return counts, errors
