"""Tests a fitted bundle and writes down what may be promised of it."""

from dataclasses import dataclass, replace

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.bundles.manifest import unpack
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import AttemptLedger, Guarantee, Infeasible, LabelSource, Level, Loss
from tidegate.domain.label import LabelCounts, LabelRow, Owner
from tidegate.domain.question import Question
from tidegate.errors import BundleError
from tidegate.learning.attempts import begun, choose_rows, granted, share
from tidegate.learning.audit import TEST_SHARE
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.feasibility import Traffic
from tidegate.learning.grid import Plan, Terms, prepare
from tidegate.learning.guarantee import Verdict, verdict
from tidegate.learning.schedule import is_ripe, ripe_at
from tidegate.learning.traffic import Material, audit_rows, coverage, safe_coverage
from tidegate.ports import Clock, Log

DELTA = 0.05
AGE_S = 30 * 86_400.0
MOST_ANSWERS = 1_000_000
WORTH = 0.02
"""A new bundle is tested in place of one that serves when it promises so much more coverage."""

_PURGED = "rows that it was fitted on were purged"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown of one task."""

    owner: Owner
    question: Question
    max_error: float
    audit_share: float
    loss: Loss
    must_replace: bool = False
    """What serves was fitted on rows that were purged: it goes, whatever follows."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where verdicts are written down."""

    clock: Clock
    labels: SqliteLabels
    guarantees: SqliteGuarantees
    bundles: BundleFolder
    log: Log

    def save(self, guarantee: Guarantee, ledger: AttemptLedger | None = None) -> None:
        """Make a verdict the newest of its task, and tell the operator."""
        self.guarantees.save(guarantee, ledger)
        infeasible = guarantee.infeasible
        self.log.event(
            f"learn.{guarantee.state}",
            task=guarantee.task,
            version=guarantee.bundle_version,
            coverage=guarantee.own.coverage,
            reason=guarantee.reason or (infeasible.reason if infeasible else ""),
        )


def grant(
    desk: Desk, wish: Wish, made: Material, bundle: Bundle, counts: LabelCounts
) -> str | None:
    """Test the bundle where that is worth an attempt; gives why to build anew, or None.

    What serves goes on serving until something better has passed.
    """
    key = wish.owner.key
    former = desk.guarantees.load(key)
    is_serving = former is not None and former.state == "granted"
    calibrate = audit_rows(bundle.head, made.parts.calibrate, wish.loss)
    gained = safe_coverage(calibrate, wish.max_error)
    must = wish.must_replace and is_serving
    if former is not None and is_serving and not must:
        wanted = _served(desk, former, made, wish) + WORTH
        if gained < wanted:
            return None
    before = desk.guarantees.ledger(key)
    ledger, test = _rows_to_test(before, made.parts.test)
    noise = desk.labels.noise(wish.owner, made.source.model)
    terms = Terms((wish.max_error,), DELTA, noise=noise if noise.pairs else None)
    traffic = _traffic(counts, wish.audit_share if is_serving else 1.0)
    plan = prepare(
        calibrate,
        terms,
        share=share(ledger),
        test_rows=len(test),
        traffic=traffic,
    )
    base = _base(desk, wish, made, bundle, former)
    base = replace(base, labels=replace(base.labels, noise=terms.noise))
    if not plan.is_worth_an_attempt:
        if must or not is_serving:
            desk.save(replace(base, levels=_untested(plan), rows=len(test)))
        return _PURGED if must else None
    if not is_serving and not is_ripe(counts, gained):
        waiting = _waiting(counts, gained, wish.max_error, traffic)
        desk.save(replace(base, levels=(waiting,), rows=len(test)))
        return None
    spent = begun(ledger)
    desk.guarantees.spend(key, before, spent)
    found = verdict(plan, audit_rows(bundle.head, test, wish.loss), terms)
    why = _conclude(desk, base, found, plan, spent, is_serving=is_serving and not must)
    return why or (_PURGED if must else None)


def suspend(desk: Desk, guarantee: Guarantee, reason: str) -> None:
    """Take a guarantee back; from the next generation on everything goes up and is audited."""
    desk.save(
        replace(
            guarantee,
            state="suspended",
            reason=reason,
            audit_stratum=guarantee.audit_stratum + 1,
        )
    )


def _traffic(counts: LabelCounts, audit_share: float) -> Traffic:
    """Tell how fast test rows come."""
    rate = None
    if counts.oldest_time is not None and counts.newest_time is not None:
        seconds = counts.newest_time - counts.oldest_time
        rate = counts.rows / seconds if seconds > 0 else None
    return Traffic(rate, TEST_SHARE * audit_share)


def _rows_to_test(
    before: AttemptLedger, test: tuple[LabelRow, ...]
) -> tuple[AttemptLedger, list[LabelRow]]:
    """Choose between all rows that may be tested on and those since the newest grant."""
    usable = [row for row in test if row.time > before.young_since]
    younger = [row for row in usable if row.time > before.granted_at]
    ledger = choose_rows(before, DELTA, rows=len(usable), younger=len(younger))
    return ledger, [row for row in usable if row.time > ledger.young_since]


def _conclude(
    desk: Desk,
    base: Guarantee,
    found: Verdict,
    plan: Plan,
    ledger: AttemptLedger,
    *,
    is_serving: bool,
) -> str | None:
    made = replace(
        base,
        levels=found.levels,
        critical=found.critical,
        strata=found.strata,
        rows=found.rows,
        attempt=ledger.attempts,
    )
    if found.levels[-1].threshold is not None:
        ledger = granted(ledger, plan.outcomes, base.granted_at)
        desk.save(
            replace(made, state="granted", audit_stratum=base.audit_stratum + (not is_serving)),
            ledger,
        )
        return f"`{base.task}` was granted {found.levels[-1].alpha:g}"
    if not is_serving:
        desk.save(made, ledger)
    return None


def _base(
    desk: Desk, wish: Wish, made: Material, bundle: Bundle, former: Guarantee | None
) -> Guarantee:
    """Describe what was tested, before anything came out."""
    now = desk.clock.now()
    return Guarantee(
        task=wish.owner.key,
        bundle=bundle.content_hash,
        bundle_version=bundle.version,
        encoder=bundle.encoder,
        state="none",
        reason="",
        mode="ltt",
        loss=wish.loss,
        unit="delivered answer",
        labels=LabelSource("agreement", made.source.upstream, made.source.model),
        delta=DELTA,
        levels=(),
        rows=0,
        attempt=0,
        granted_at=now,
        expires_at=now + AGE_S,
        expires_after_answers=MOST_ANSWERS,
        audit_share=wish.audit_share,
        audit_stratum=0 if former is None else former.audit_stratum,
    )


def _waiting(counts: LabelCounts, promised: float, alpha: float, traffic: Traffic) -> Level:
    """Say that a test could pass already, and why it waits."""
    further = ripe_at(counts) - counts.useful
    why = Infeasible(
        reason=f"coverage would be {promised:.0%} and still grows; the first test waits for"
        f" {ripe_at(counts)} labels",
        further_accepted=None,
        coverage=promised,
        further_requests=further,
        wait_s=further / traffic.requests_per_s if traffic.requests_per_s else None,
    )
    return Level(alpha, None, 0, 0, 0.0, 1.0, why)


def _untested(plan: Plan) -> tuple[Level, ...]:
    return tuple(Level(grid.aim.alpha, None, 0, 0, 0.0, 1.0, grid.otherwise) for grid in plan.grids)


def _served(desk: Desk, former: Guarantee, made: Material, wish: Wish) -> float:
    """Give the share of calibrating rows that what serves now answers."""
    threshold = former.own.threshold
    if threshold is None:
        return 0.0
    try:
        files = desk.bundles.read(former.task, former.bundle_version)
        bundle = unpack(files, name=former.task, version=former.bundle_version)
    except BundleError:
        return 0.0
    rows: AuditRows = audit_rows(bundle.head, made.parts.calibrate, wish.loss)
    return coverage(rows, threshold)
