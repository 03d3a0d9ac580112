"""Whether a guarantee that would expire still holds, on audit rows since it was granted. Pure.

A renewal is an attempt like any other, with its part of delta. Its rows are younger than the grant
(or the renewal before), so neither head nor threshold depends on them, and each is used for one
renewal only: the test has its level, whatever was looked at in between. When it is made follows
from age and counts. All audit rows count, whatever their role, as they are a sample of what is
answered; those that only fit may be of groups that the head knows, and so is the traffic.

What it reveals is one bit. A guarantee that expires begins a new sample (`attempts.renewed`), so
later tests know only that all renewals before them passed: one transcript more, counted as a grant
with a single outcome (`attempts.granted`).
"""

import numpy as np

from tidegate.domain.guarantee import AttemptLedger, Guarantee, Level
from tidegate.learning.attempts import renewed, share
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.grid import usable
from tidegate.learning.guarantee import p_values
from tidegate.statistics import binomial


def level_of(guarantee: Guarantee, ledger: AttemptLedger) -> float:
    """Give the level of each alpha when the next attempt is a renewal, on rows of its own."""
    fresh = renewed(ledger, guarantee.tested_until)
    return guarantee.delta * share(fresh) / len(guarantee.levels)


def is_worth_an_attempt(guarantee: Guarantee, rows: AuditRows, level: float) -> bool:
    """Tell whether rows would suffice if none were wrong; counts decide, no label does."""
    own = guarantee.own
    if own.threshold is None:
        return False
    accepted = int((recent(guarantee, rows).scores >= own.threshold).sum())
    return accepted >= binomial.fewest_rows(own.alpha, level)


def still_holds(guarantee: Guarantee, rows: AuditRows, level: float) -> tuple[Level, ...] | None:
    """Give the levels that these rows show by themselves; None where the task's own is not one.

    To be called once an attempt has been written down, and once only.
    """
    counted = recent(guarantee, rows)
    levels = tuple(_shown(one, counted, level) for one in guarantee.levels)
    return None if levels[-1].threshold is None else levels


def outcomes(guarantee: Guarantee) -> int:
    """Count the results that a renewal which passes can have: stricter levels may be lost."""
    granted = sum(level.threshold is not None for level in guarantee.levels)
    return int(2 ** max(granted - 1, 0))


def recent(guarantee: Guarantee, rows: AuditRows) -> AuditRows:
    """Count rows as the guarantee does: of its strata, and distinct ones where it counts those."""
    allowed = frozenset(one.name for one in guarantee.strata if one.is_allowed)
    known = allowed if guarantee.strata else frozenset(rows.strata)
    return usable(rows, known, guarantee.unit)


def _shown(known: Level, rows: AuditRows, level: float) -> Level:
    if known.threshold is None:
        return known
    accepted = rows.scores >= known.threshold
    count, errors = int(accepted.sum()), int((accepted & rows.is_wrong).sum())
    p_value = float(p_values(rows, np.array([known.threshold]), known.alpha)[0])
    return Level(
        known.alpha,
        known.threshold if p_value <= level else None,
        count,
        errors,
        count / max(len(rows), 1),
        float(binomial.upper_bound(errors, count, level)),
    )
