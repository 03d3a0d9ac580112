"""Whether guarantees that were granted may stand, looked at again and again.

In a thread of its own, so that neither a fit nor a test nor a reload holds up a suspension: who
serves is told at once, and builds anew when it can.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeVar

import numpy as np

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import Marks, SqliteLabels
from tidegate.config.configuration import Configuration
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Grant, Guarantee
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.domain.promise import DAY_S
from tidegate.learning.attempts import begun, granted, renewed
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.drift import (
    LossWatch,
    alarmed,
    attention,
    audit_share,
    changed_source,
    is_due,
    lost_source,
    observe_loss,
    watch_loss,
)
from tidegate.learning.exchange import in_order
from tidegate.learning.renewal import is_worth_an_attempt, level_of, outcomes, still_holds
from tidegate.learning.traffic import audit_rows, one_sample
from tidegate.node.granting import announce, read_bundle
from tidegate.node.learning import labels_of, policy_of
from tidegate.node.owner import Owner as StateOwner
from tidegate.node.owner import Reach
from tidegate.node.promised import promise_of
from tidegate.node.upkeep import Upkeep
from tidegate.ports.clock import Clock
from tidegate.ports.log import Log

T = TypeVar("T")

LOOK_EVERY_S = 0.25
"""With as much for alarms to be written down, and what telling takes, below a second."""
FOLLOW_EVERY_S = 0.25
EARLY_S = 5.0
"""Before the end of its time a guarantee is renewed, so that no request finds it expired."""
NOTHING = AuditRows(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.int64), {}, {})
SLEWED_S = 60.0
"""A clock that was set back by no more is only being kept right."""

Ended = Literal["suspended", "expired"]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one guarantee."""

    grant: Grant
    why: str
    is_end: bool
    """Nothing may be answered under it any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Office:
    """What the overseer works with."""

    clock: Clock
    labels: Callable[[], SqliteLabels]
    """Opens the label store."""
    guarantees: SqliteGuarantees
    bundles: BundleFolder
    reach: Reach
    log: Log


@dataclass(slots=True, eq=False)
class Held:
    """What labels have said of one guarantee so far."""

    bundle: Bundle
    watch: LossWatch
    marks: Marks = (0, 0)
    """Up to where labels were read."""
    quiet: int = 0
    """Audited local answers since the audit share was last changed."""
    changed: str | None = None
    """What rows showed to have changed about their source."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look sees of all guarantees together."""

    configuration: Configuration
    policy: LearnPolicy
    asked: frozenset[str]
    """Upstreams that learning routes lead to."""
    standing: Sequence[Guarantee]
    warnings: Mapping[Grant, str]
    answers: Mapping[Grant, int]
    owners: Mapping[str, Owner] = field(default_factory=dict)
    """Of labels, by key; none where nothing is learned any more."""
    marks: Marks = (0, 0)
    """Up to where there are labels."""

    def owner(self, verdict: Guarantee) -> Owner | None:
        """Tell whose labels a guarantee was tested on; None where it came from a file."""
        return None if verdict.audit_share is None else self.owners.get(verdict.task)

    def learns(self, owner: Owner) -> bool:
        """Tell whether this node is the task's learner."""
        return self.policy.role_of(owner.task) == "learn"


@dataclass(slots=True)
class Overseer:
    """Looks at every guarantee that is granted, learned here or tested on a file of labels."""

    office: Office
    configuration: Callable[[], Configuration]
    _store: SqliteLabels | None = None
    _held: dict[Grant, Held] = field(default_factory=dict)
    _reasons: list[str] = field(default_factory=list)
    """Why those who serve are to build anew."""
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _is_closed: bool = False
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="overseer")
    )

    async def round(self) -> bool:
        """Look at all of them once; tells whether anything changed. Who serves knows by then."""
        configuration = self.configuration()
        did = False
        async with self._looking:
            if self._is_closed:
                return False
            sight = await self._run(lambda: self._see(configuration))
            for verdict in sight.standing:
                change = await self._run(partial(self._judge, verdict, sight))
                if change is None:
                    continue
                did = True
                self._reasons.append(change.why)
                if change.is_end:
                    await self.office.reach.revoke(change.grant)
        return did

    async def follow(self) -> None:
        """Have those who serve build anew where something changed; waits for a reload under way."""
        reasons = list(self._reasons)
        if reasons:
            await self.office.reach.rebuild("; ".join(reasons))
            del self._reasons[: len(reasons)]

    async def close(self) -> None:
        """Close the label store, once nobody looks any more."""
        async with self._looking:
            self._is_closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    def _see(self, configuration: Configuration) -> Sight:
        """Read once what is looked at for each of them."""
        guarantees = self.office.guarantees
        standing = guarantees.standing()
        learning = [route for route in configuration.routes if route.learns]
        sight = Sight(
            configuration,
            policy_of(configuration),
            frozenset(target.upstream for route in learning for target in route.targets),
            standing,
            guarantees.warnings() if standing else {},
            guarantees.all_answers() if standing else {},
        )
        if not learning or all(one.audit_share is None for one in standing):
            return sight
        store = self._opened()
        owners = {owner.key: owner for owner in store.questions()}
        return replace(sight, owners=owners, marks=store.marks())

    def _judge(self, verdict: Guarantee, sight: Sight) -> Change | None:
        """Decide about one guarantee and write it down; None: it stands as it is."""
        now = self.office.clock.now()
        why = self._against(verdict, sight)
        if why is not None:
            return self._end(verdict, "suspended", why)
        if now < verdict.granted_at - SLEWED_S:
            # Nothing that comes now could be told from what came before the grant.
            return self._end(verdict, "expired", "the clock went back to before it was granted")
        owner = sight.owner(verdict)
        early_s = EARLY_S if owner is None or sight.learns(owner) else 0.0
        if is_due(verdict, now + early_s, sight.answers.get(verdict.grant, 0)):
            return self._renew(verdict, sight)
        return self._attend(verdict, sight)

    def _attend(self, verdict: Guarantee, sight: Sight) -> Change | None:
        """Raise the audit share when labels begin to speak against it, lower it when they do not.

        Another share begins another sample, also where the operator has changed it. Elsewhere than
        at its learner a task has the share that the learner says.
        """
        held = self._held.get(verdict.grant)
        owner = sight.owner(verdict)
        if held is None or owner is None or not sight.learns(owner):
            return None
        after = attention(verdict, held.watch.evidence, held.quiet)
        share = audit_share(sight.policy.audit_share, after.alarms)
        if after == verdict and share == verdict.audit_share:
            return None
        is_other = share != verdict.audit_share
        after = replace(
            after,
            audit_share=share,
            audit_stratum=verdict.audit_stratum + is_other,
            share_since=self.office.clock.now(),
        )
        if not self.office.guarantees.succeed(verdict, after):
            return None
        held.quiet = 0
        self.office.log.event(
            "learn.audit_share", task=verdict.task, share=share, alarms=after.alarms
        )
        why = f"the audit share of `{verdict.task}` is {share:g} now"
        return Change(verdict.grant, why, is_end=False)

    def _renew(self, verdict: Guarantee, sight: Sight) -> Change | None:
        """Let it stand for longer where audit rows since show it anew, else end it.

        What that costs, and why it may be done: `learning/renewal.py`.
        """
        guarantees, now = self.office.guarantees, self.office.clock.now()
        answers = sight.answers.get(verdict.grant, 0)
        old = f"it has given {answers:,} answers"
        if answers < verdict.expires_after_answers:
            old = f"it is {(now - verdict.tested_until) / DAY_S:.1f} days old"
        owner = sight.owner(verdict)
        if owner is None:
            return self._end(verdict, "expired", f"{old}; no audit rows can renew it")
        if not sight.learns(owner):
            if answers < verdict.expires_after_answers:
                old = "its learner has not confirmed it in time"
            return self._end(verdict, "expired", f"{old}; only its learner can renew it")
        rows = self._recent(verdict, owner)
        before = guarantees.ledger(verdict.task)
        level = level_of(verdict, before)
        if not is_worth_an_attempt(verdict, rows, level):
            few = f"{old}; {len(rows)} audit rows since are too few to renew it"
            return self._end(verdict, "expired", few)
        spent = begun(before)
        guarantees.spend(verdict.task, before, spent)
        levels = still_holds(verdict, rows, level)
        if levels is None:
            bad = f"{old}; {len(rows)} audit rows since do not show {verdict.own.alpha:g} anew"
            return self._end(verdict, "expired", bad)
        promise = promise_of(sight.configuration, owner, self._opened().questions()[owner])
        again = replace(
            verdict,
            reason=f"renewed: {old}",
            levels=levels,
            rows=len(rows),
            attempt=spent.attempts,
            renewals=verdict.renewals + 1,
            renewed_at=now,
            expires_at=now + promise.expires_after_s,
            expires_after_answers=answers + promise.expires_after_answers,
        )
        if not guarantees.succeed(verdict, again, granted(spent, outcomes(verdict), now)):
            return None
        announce(self.office.log, again)
        return Change(verdict.grant, f"the guarantee of `{verdict.task}` was renewed", is_end=False)

    def _against(self, verdict: Guarantee, sight: Sight) -> str | None:
        """Tell what speaks against a guarantee."""
        warning = sight.warnings.get(verdict.grant)
        owner = sight.owner(verdict)
        if warning is not None or owner is None:
            return warning
        # Other nodes have names of their own for the upstream of their learner.
        gone = lost_source(verdict.labels, sight.asked) if sight.learns(owner) else None
        held = None if gone is not None else self._hold(verdict, owner, sight)
        if held is None or held.changed is not None:
            return gone if held is None else held.changed
        if not held.watch.is_alarmed:
            return None
        return (
            f"{held.watch.seen} audited local answers disagree with `{verdict.labels.upstream}`"
            f" more than {verdict.own.alpha:g} allows"
        )

    def _hold(self, verdict: Guarantee, owner: Owner, sight: Sight) -> Held | None:
        """Hold what came since the last look against a guarantee; see `learning/drift.py`.

        The first look takes all rows since the grant, so nothing has to survive a restart.
        """
        held = self._held.get(verdict.grant)
        if held is None:
            bundle = read_bundle(self.office.bundles, verdict)
            if bundle is None:
                return None
            held = Held(bundle, watch_loss(verdict.own.alpha))
            self._held = {
                one: known for one, known in self._held.items() if one.task != verdict.task
            }
            self._held[verdict.grant] = held
        if held.marks == sight.marks:
            return held
        news = self._opened().news(
            owner, verdict.encoder, since=verdict.granted_at, after=held.marks
        )
        for _, row in news.rows:
            changed = changed_source(verdict.labels, row.upstream, row.model)
            held.changed = held.changed or changed
        # What other nodes counted stands behind the rows that were here when it came.
        answered = _answered(held.bundle, verdict, news.rows)
        own = [(number, is_wrong) for number, _, is_wrong in answered]
        others = [one for one in news.counts if one[1].bundle == verdict.bundle]
        for is_wrong in in_order(own, others):
            held.watch = observe_loss(held.watch, is_wrong)
        held.quiet += sum(row.time > verdict.share_since for _, row, _ in answered)
        held.marks = news.marks
        return held

    def _recent(self, verdict: Guarantee, owner: Owner) -> AuditRows:
        """Score the audit rows that no test of it has seen; of one sample, the largest."""
        bundle = read_bundle(self.office.bundles, verdict)
        rows = self._opened().rows(owner, verdict.encoder, verdict.tested_until)
        if bundle is None:
            return NOTHING
        _, sample = one_sample([row for row in rows if row.origin == "audit"])
        return audit_rows(bundle, _known(bundle, sample), verdict.loss)

    def _end(self, verdict: Guarantee, state: Ended, why: str) -> Change | None:
        """Take a guarantee back; None where it was replaced at this moment.

        What is tested next on labels of traffic is younger than this. Labels from a file carry no
        time: they go on paying for what earlier attempts revealed of them.
        """
        guarantees, now = self.office.guarantees, self.office.clock.now()
        ended = replace(verdict, state=state, reason=why)
        ledger = None
        if verdict.audit_share is not None:
            alarms = alarmed(verdict) if state == "suspended" else verdict.alarms
            ended = replace(ended, audit_stratum=verdict.audit_stratum + 1, alarms=alarms)
            ledger = renewed(guarantees.ledger(verdict.task), now)
        if not guarantees.succeed(verdict, ended, ledger):
            return None
        self._held.pop(verdict.grant, None)
        announce(self.office.log, ended)
        return Change(verdict.grant, why, is_end=True)

    def _opened(self) -> SqliteLabels:
        if self._store is None:
            self._store = self.office.labels()
        return self._store

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _known(bundle: Bundle, rows: Sequence[LabelRow]) -> list[LabelRow]:
    """Leave out rows whose label is none of the question's."""
    return [row for row in rows if row.label in bundle.head.labels]


def _answered(
    bundle: Bundle, verdict: Guarantee, rows: Sequence[tuple[int, LabelRow]]
) -> list[tuple[int, LabelRow, bool]]:
    """Give the audited local answers with their number, and whether they were wrong."""
    audited = [(number, row) for number, row in rows if row.origin == "audit"]
    kept = [(number, row) for number, row in audited if row.label in bundle.head.labels]
    found = audit_rows(bundle, [row for _, row in kept], verdict.loss)
    is_accepted = found.scores >= (verdict.own.threshold or 0.0)
    return [
        (number, row, bool(is_wrong))
        for (number, row), is_wrong, accepted in zip(kept, found.is_wrong, is_accepted, strict=True)
        if accepted
    ]


def start_overseer(
    stack: AsyncExitStack,
    upkeep: Upkeep,
    owner: StateOwner,
    configuration: Callable[[], Configuration],
    reach: Reach,
) -> Overseer:
    """Begin looking after guarantees in the process that owns the state."""
    paths = owner.paths
    guarantees = SqliteGuarantees.open(paths.guarantees)
    stack.callback(guarantees.close)
    office = Office(
        owner.clock,
        labels_of(paths, configuration),
        guarantees,
        BundleFolder(paths.bundles),
        reach,
        owner.log,
    )
    overseer = Overseer(office, configuration)
    stack.push_async_callback(overseer.close)

    async def look() -> None:
        await overseer.round()

    upkeep.every(LOOK_EVERY_S, "guarantees", look)
    upkeep.every(FOLLOW_EVERY_S, "generations", overseer.follow)
    return overseer
