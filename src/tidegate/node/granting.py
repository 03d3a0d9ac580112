"""Tests a fitted bundle and writes down what may be promised of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.bundles.manifest import unpack
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import AttemptLedger, Guarantee, Infeasible, LabelSource, Level
from tidegate.domain.label import LabelCounts, LabelRow, Owner
from tidegate.domain.promise import Promise
from tidegate.domain.question import Question
from tidegate.errors import BundleError
from tidegate.learning.attempts import begun, choose_rows, granted, share
from tidegate.learning.audit import CALIBRATE_SHARE, TEST_SHARE
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.drift import audit_share, tails
from tidegate.learning.feasibility import Traffic, with_floor
from tidegate.learning.grid import FEWEST_OF_STRATUM, Plan, Terms, prepare
from tidegate.learning.guarantee import Verdict, verdict
from tidegate.learning.schedule import is_ripe, ripe_at
from tidegate.learning.traffic import Material, audit_rows, coverage, safe_coverage
from tidegate.ports.clock import Clock
from tidegate.ports.log import Log

WORTH = 0.02
"""A new bundle is tested in place of one that serves when it promises so much more coverage."""

_PURGED = "rows that it was fitted on were purged"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown of one task."""

    owner: Owner
    question: Question
    promise: Promise
    audit_share: float
    must_replace: bool = False
    """What serves was fitted on rows that were purged: it goes, whatever follows."""
    may_fit: bool = True
    """False: another node is its learner, and here it is suspended at most."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where verdicts are written down."""

    clock: Clock
    labels: SqliteLabels
    guarantees: SqliteGuarantees
    bundles: BundleFolder
    log: Log
    former: Guarantee | None = None
    """The verdict that another one takes the place of."""

    def save(self, guarantee: Guarantee, ledger: AttemptLedger | None = None) -> bool:
        """Make a verdict the newest of its task, and tell the operator.

        False where the former one was taken back meanwhile: what it was compared with, and the
        rows it was tested on, are no longer those.
        """
        if not self.guarantees.succeed(self.former, guarantee, ledger):
            self.log.event("learn.discarded", task=guarantee.task, version=guarantee.bundle_version)
            return False
        announce(self.log, guarantee)
        return True


def grant(
    desk: Desk, wish: Wish, made: Material, bundle: Bundle, counts: LabelCounts
) -> str | None:
    """Test the bundle where that is worth an attempt; gives why to build anew, or None.

    What serves goes on serving until something better has passed.
    """
    key = wish.owner.key
    former = desk.guarantees.load(key)
    desk = replace(desk, former=former)
    is_serving = former is not None and former.state == "granted"
    before = desk.guarantees.ledger(key)
    young = [row for row in made.parts.calibrate if row.time > before.young_since]
    calibrate = audit_rows(bundle, young, wish.promise.loss)
    gained = safe_coverage(calibrate, wish.promise.max_error)
    must = wish.must_replace and is_serving
    if former is not None and is_serving and not must:
        wanted = _served(desk, former, made, wish) + WORTH
        if gained < wanted:
            return None
    ledger, test = _rows_to_test(before, made.parts.test, wish.promise.delta)
    noise = desk.labels.noise(wish.owner, made.source.model)
    terms = Terms(
        wish.promise.alphas,
        wish.promise.delta,
        unit=wish.promise.unit,
        noise=noise if noise.pairs else None,
    )
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
            desk.save(
                replace(
                    base,
                    levels=_untested(plan, terms, _short_of_strata(calibrate, traffic)),
                    rows=len(test),
                )
            )
        return _PURGED if must else None
    if not is_serving and not is_ripe(counts, gained):
        waiting = _waiting(counts, gained, wish.promise.max_error, traffic)
        desk.save(replace(base, levels=(waiting,), rows=len(test)))
        return None
    spent = begun(ledger)
    desk.guarantees.spend(key, before, spent)
    tested = audit_rows(bundle, test, wish.promise.loss)
    base = replace(base, tails=tails(tested.scores, tested.scores[_first_of_text(test)]))
    found = verdict(plan, tested, terms)
    why = _conclude(desk, base, found, plan, spent, is_serving=is_serving and not must)
    return why or (_PURGED if must else None)


def read_bundle(bundles: BundleFolder, verdict: Guarantee) -> Bundle | None:
    """Give the bundle that a verdict is about; None where it is gone or damaged."""
    try:
        files = bundles.read(verdict.task, verdict.bundle_version)
        return unpack(files, name=verdict.task, version=verdict.bundle_version)
    except BundleError:
        return None


def announce(log: Log, guarantee: Guarantee) -> None:
    """Tell the operator of a verdict."""
    infeasible = guarantee.infeasible
    is_renewed = guarantee.state == "granted" and guarantee.renewals > 0
    log.event(
        "learn.renewed" if is_renewed else f"learn.{guarantee.state}",
        task=guarantee.task,
        version=guarantee.bundle_version,
        coverage=guarantee.own.coverage,
        reason=guarantee.reason or (infeasible.reason if infeasible else ""),
    )


def _traffic(counts: LabelCounts, audit_share: float) -> Traffic:
    """Tell how fast test rows come."""
    rate = None
    if counts.oldest_time is not None and counts.newest_time is not None:
        seconds = counts.newest_time - counts.oldest_time
        rate = counts.rows / seconds if seconds > 0 else None
    return Traffic(rate, TEST_SHARE * audit_share)


def _rows_to_test(
    before: AttemptLedger, test: tuple[LabelRow, ...], delta: float
) -> tuple[AttemptLedger, list[LabelRow]]:
    """Choose between all rows that may be tested on and those since the newest grant."""
    usable = [row for row in test if row.time > before.young_since]
    younger = [row for row in usable if row.time > before.granted_at]
    ledger = choose_rows(before, delta, rows=len(usable), younger=len(younger))
    return ledger, [row for row in usable if row.time > ledger.young_since]


def _first_of_text(rows: Sequence[LabelRow]) -> list[int]:
    """Give the place of the first row of each near-duplicate cluster."""
    first: dict[bytes, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(row.cluster, place)
    return list(first.values())


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
        stratum = base.audit_stratum + (not is_serving)
        if desk.save(replace(made, state="granted", audit_stratum=stratum), ledger):
            return f"`{base.task}` was granted {found.levels[-1].alpha:g}"
        return None
    if not is_serving:
        desk.save(made, ledger)
    return None


def _base(
    desk: Desk, wish: Wish, made: Material, bundle: Bundle, former: Guarantee | None
) -> Guarantee:
    """Describe what was tested, before anything came out."""
    now, alarms = desk.clock.now(), 0 if former is None else former.alarms
    return Guarantee(
        task=wish.owner.key,
        bundle=bundle.content_hash,
        bundle_version=bundle.version,
        encoder=bundle.encoder,
        state="none",
        reason="",
        mode="ltt",
        loss=wish.promise.loss,
        unit=wish.promise.unit,
        labels=LabelSource("agreement", made.source.upstream, made.source.model),
        delta=wish.promise.delta,
        levels=(),
        rows=0,
        attempt=0,
        granted_at=now,
        expires_at=now + wish.promise.expires_after_s,
        expires_after_answers=wish.promise.expires_after_answers,
        audit_share=audit_share(wish.audit_share, alarms),
        audit_stratum=0 if former is None else former.audit_stratum,
        alarms=alarms,
        share_since=now,
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


def _untested(plan: Plan, terms: Terms, short: Infeasible | None) -> tuple[Level, ...]:
    return tuple(
        Level(
            grid.aim.alpha,
            None,
            0,
            0,
            0.0,
            1.0,
            short or with_floor(grid.otherwise, terms.noise, terms.alphas[-1]),
        )
        for grid in plan.grids
    )


def _short_of_strata(calibrate: AuditRows, traffic: Traffic) -> Infeasible | None:
    """Say so when not even the largest language, or region, has enough calibrating rows."""
    sizes = [int(member.sum()) for member in calibrate.strata.values()]
    most = max(sizes, default=0)
    if most >= FEWEST_OF_STRATUM:
        return None
    further = -(-(FEWEST_OF_STRATUM - most) // CALIBRATE_SHARE)
    return Infeasible(
        reason=f"each language and region needs {FEWEST_OF_STRATUM} calibrating rows; the largest"
        f" has {most}",
        further_accepted=None,
        coverage=0.0,
        further_requests=int(further),
        wait_s=further / traffic.requests_per_s if traffic.requests_per_s else None,
    )


def _served(desk: Desk, former: Guarantee, made: Material, wish: Wish) -> float:
    """Give the share of calibrating rows that what serves now answers."""
    threshold = former.own.threshold
    if threshold is None:
        return 0.0
    bundle = read_bundle(desk.bundles, former)
    if bundle is None:
        return 0.0
    rows: AuditRows = audit_rows(bundle, made.parts.calibrate, wish.promise.loss)
    return coverage(rows, threshold)
