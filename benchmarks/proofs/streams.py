"""Whole streams: labels come in, heads are refitted, tested again and again on rows old and new.

Refits are imitated: a head is a set of accept scores and a probability of being wrong for each row
of a population, better with more fitting rows. Which head comes after a grant depends on which
threshold was granted, as it does when escalated rows are fitted on. A row keeps one random draw
through all heads, so that its labels are as dependent as those of a real row.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.proofs.draws import DELTA, TRAFFIC
from tidegate.domain.guarantee import AttemptLedger
from tidegate.learning.attempts import begun, choose_rows, granted, share
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.grid import Terms, prepare
from tidegate.learning.guarantee import verdict
from tidegate.statistics.calibration import Float64, Integers

ALPHA = 0.02
ATTEMPTS = 14
FIRST_ROWS = 400
GROWTH = 1.4
TEST_SHARE = 0.25
CALIBRATE_SHARE = 0.15
AUDITED = 0.1
"""Share of new rows that are still audited once something is answered here."""
POPULATION = 8_000
OUTCOMES = 17
FLAT = 1.05
"""Of alpha: the risk of heads that never deserve a grant, at every threshold."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What came of one."""

    is_false: bool
    """It served under a guarantee that did not hold, at some time."""
    attempts: int
    grants: int


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    scores: Float64
    wrong: Float64

    def risk(self, cut: float) -> float:
        return float(self.wrong[self.scores >= cut].mean())


def run(seed: int, *, is_flat: bool) -> Stream:
    """Run one stream through all its attempts, the ledger deciding what each may spend."""
    generator = np.random.default_rng(seed)
    draws = generator.random(POPULATION)
    """One for each audit row that may come: it decides the label under every head."""
    members = generator.integers(0, POPULATION, POPULATION)
    parts = generator.random(POPULATION)
    ledger, is_false, grants, total, audited = AttemptLedger(), False, 0, 0.0, 0.0
    revealed = 0
    times: list[float] = []
    for attempt in range(ATTEMPTS):
        coming = FIRST_ROWS * GROWTH**attempt - total
        total += coming
        audited = min(audited + coming * (AUDITED if grants else 1.0), POPULATION)
        times += [attempt + 1.0] * (int(audited) - len(times))
        head = _head(seed, revealed, total, is_flat=is_flat)
        at = np.array(times)
        part = parts[: len(times)]
        is_test = part < TEST_SHARE
        calibrates = ~is_test & (part < TEST_SHARE + CALIBRATE_SHARE)
        calibrating = _rows(head, members, draws, np.flatnonzero(calibrates))
        testing = np.flatnonzero(is_test & (at > ledger.young_since))
        younger = int((at[testing] > ledger.granted_at).sum())
        chosen = choose_rows(ledger, DELTA, rows=len(testing), younger=younger)
        testing = testing[at[testing] > chosen.young_since]
        terms = Terms((ALPHA,), DELTA)
        plan = prepare(
            calibrating,
            terms,
            share=share(chosen),
            test_rows=len(testing),
            traffic=TRAFFIC,
        )
        if not plan.is_worth_an_attempt:
            continue
        ledger = begun(chosen)
        found = verdict(plan, _rows(head, members, draws, testing), terms)
        cut = found.levels[0].threshold
        if cut is None:
            continue
        revealed = revealed * OUTCOMES + plan.grids[0].thresholds.index(cut) + 1
        ledger = granted(ledger, plan.outcomes, attempt + 1.0)
        grants += 1
        is_false = is_false or head.risk(cut) > ALPHA
    return Stream(is_false, ledger.attempts, grants)


def _head(seed: int, revealed: int, rows: float, *, is_flat: bool) -> _Head:
    """Make the head that this many rows, and what was revealed, would have given."""
    generator = np.random.default_rng((seed, revealed, int(rows)))
    ease = generator.beta(5.0, 0.35, POPULATION)
    if is_flat:
        return _Head(ease, np.full(POPULATION, FLAT * ALPHA))
    worse = 0.35 + 60.0 / (rows + 60.0)
    return _Head(ease, np.clip((1.0 - ease) * worse + 0.002, 0.0, 1.0))


def _rows(head: _Head, members: Integers, draws: Float64, chosen: Integers) -> AuditRows:
    those = members[chosen]
    return AuditRows(
        head.scores[those], draws[chosen] < head.wrong[those], np.arange(len(chosen)), {}, {}
    )
