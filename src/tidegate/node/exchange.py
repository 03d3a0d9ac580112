"""Keeps a node that collects or serves in touch with its learner: pulls verdicts, sends labels.

What is taken over is decided in `learning/exchange.py`; suspending on what this node sees itself is
done by the loop of `learner.py` here as well. The learner's side is `fleet/learner_desk.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.learners.over_http import LearnerOverHttp
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.bundles.fingerprint import fingerprint
from tidegate.config.configuration import Configuration, ConfiguredUpstream
from tidegate.domain.exchange import AuditReport, Offer, Offers, Waiting
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.errors import BundleError, StateError, UpstreamError, UpstreamStatus
from tidegate.learning.exchange import Decline, Extend, Save, counted, may_leave, take
from tidegate.learning.traffic import audit_rows
from tidegate.node.fitting import Texts
from tidegate.node.learning import labels_of, policy_of
from tidegate.node.owner import Owner as StateOwner
from tidegate.node.owner import Rebuild
from tidegate.node.promised import promise_of
from tidegate.node.stock import Stock
from tidegate.node.upkeep import Upkeep
from tidegate.node.verified import Remembered
from tidegate.ports.clock import Clock, Ids
from tidegate.ports.log import Log
from tidegate.wire.exchange import encode_row
from tidegate.wire.failures import read_failure

T = TypeVar("T")

SEND_EVERY_S = 1.0
SWEEP_EVERY_S = 600.0
CHUNK = 200
"""Rows looked at in one go."""
BATCH_BYTES = 192 * 1024
"""Of one request: small enough to be checked in a few milliseconds on the other side."""
MOST_REPORTS = 10_000
"""Reports of counts that may wait; the oldest go first."""
HOLD_S = 60.0
"""How long rows of a task wait that the learner has refused, before it is asked again."""

_BAD_BATCH = frozenset({400, 413})
"""It will not take this batch however often it is sent."""
_REFUSED = frozenset({403, 404, 409})
"""It will not take rows of this task, until somebody has changed a configuration."""


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """What the exchange works with."""

    clock: Clock
    ids: Ids
    labels: Callable[[], SqliteLabels]
    """Opens the label store."""
    guarantees: SqliteGuarantees
    stock: Stock
    texts: Callable[[], Awaitable[Texts]]
    """Encodes the golden texts."""
    rebuild: Rebuild
    log: Log


@dataclass(slots=True)
class _Link:
    """The learner in force, and what it said last."""

    configured: ConfiguredUpstream
    learner: LearnerOverHttp
    offers: Offers | None = None
    tag: str | None = None
    """Of `offers`, once all of it was taken over."""


@dataclass(slots=True)
class Exchange:
    """Pulls and sends, again and again; idle where this node learns all by itself."""

    ties: Ties
    configuration: Callable[[], Configuration]
    lost: int = 0
    """Rows that the learner will never take, since the node started."""
    _store: SqliteLabels | None = None
    _texts: Texts | None = None
    _link: _Link | None = None
    _told: dict[str, str] = field(default_factory=dict)
    _held: dict[tuple[str, str], float] = field(default_factory=dict)
    _working: asyncio.Lock = field(default_factory=asyncio.Lock)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="exchange")
    )

    async def pull(self) -> None:
        """Ask the learner once, and take over what it has."""
        configuration = self.configuration()
        link = await self._linked(configuration)
        if link is None:
            return
        async with self._working:
            texts = await self._golden()
            zone = configuration.place.zone
            try:
                found = await link.learner.offers(zone, link.tag)
            except UpstreamError as error:
                self._tell("learner", "exchange.unreachable", _said(error))
                return
            if found is not None:
                link.tag = None
                link.offers, tag = found
            if link.offers is None or not self._fits(link.offers, link.configured, texts):
                link.tag = None
                return
            self._told.pop("learner", None)
            changes = [await self._keep_keys(link.offers, zone)]
            is_whole = True
            for offer in link.offers.tasks:
                if self._is_ours(offer, configuration):
                    changed, is_taken = await self._take(offer, configuration, link, texts)
                    changes.append(changed)
                    is_whole = is_whole and is_taken
            if found is not None and is_whole:
                link.tag = tag
        why = [one for one in changes if one is not None]
        if why:
            await self.ties.rebuild("; ".join(why))

    async def send(self) -> bool:
        """Send what waits; gives whether anything was, so that one may go on at once."""
        configuration = self.configuration()
        link = await self._linked(configuration)
        # Before it was heard it is not known whether rows may go there.
        if link is None or link.offers is None:
            return False
        async with self._working:
            held = self._still_held()
            waiting = await self._run(lambda: self._opened().outbox.waiting(CHUNK, but=held))
            rows, others = self._part(waiting, link, policy_of(configuration))
            did = bool(others)
            if others:
                await self._run(lambda: self._count(others))
            try:
                did = await self._send_reports(link, configuration) or did
                for batch in batches(rows):
                    did = await self._send_rows(link, batch) or did
            except UpstreamError as error:
                self._tell("send", "exchange.waiting", _said(error))
                return False
            self._told.pop("send", None)
        return did

    async def drain(self) -> None:
        """Send until nothing waits that may go now."""
        while await self.send():
            pass

    async def sweep(self) -> None:
        """Count what went before it was sent."""
        if self._store is not None:
            await self._run(lambda: self._opened().outbox.sweep(MOST_REPORTS))

    async def close(self) -> None:
        """End what is under way, and close the store and the connection."""
        if self._link is not None:
            await self._link.learner.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    async def _linked(self, configuration: Configuration) -> _Link | None:
        """Give the connection to the configured learner; None where there is none to talk to."""
        configured = configuration.learner
        if configured is None or not any(route.learns for route in configuration.routes):
            return None
        if self._link is None or self._link.configured != configured:
            if self._link is not None:
                await self._link.learner.close()
            http = HttptoolsClient(configured.settings, configuration.proxies)
            learner = LearnerOverHttp(
                configured.settings.name,
                secret=configured.secret,
                http=http,
                clock=self.ties.clock,
            )
            self._link = _Link(configured, learner)
        return self._link

    async def _golden(self) -> Texts:
        if self._texts is None:
            self._texts = await self.ties.texts()
        return self._texts

    def _fits(self, offers: Offers, configured: ConfiguredUpstream, texts: Texts) -> bool:
        """Tell whether this learner is one for this node; else nothing is confirmed."""
        name = configured.settings.name
        if offers.encoder != texts.encoder:
            self._tell("learner", "exchange.encoder", f"`{name}` runs another encoder")
            return False
        if offers.zone != configured.settings.zone:
            self._tell(
                "learner",
                "exchange.zone",
                f"`{name}` says that it stands in the zone {offers.zone!r}, the configuration says"
                f" {configured.settings.zone!r}",
            )
            return False
        return True

    async def _keep_keys(self, offers: Offers, zone: str) -> str | None:
        keys = offers.keys
        if keys is None or not may_leave(zone, offers.zone):
            return None

        def kept() -> bool:
            store = self._opened()
            if store.outbox.keys() == keys:
                return False
            store.outbox.keep_keys(keys)
            return True

        return "the learner's keys are known" if await self._run(kept) else None

    def _is_ours(self, offer: Offer, configuration: Configuration) -> bool:
        """Tell whether this node pulls that, by its own configuration."""
        policy, owner = policy_of(configuration), offer.owner
        print_ = fingerprint(offer.question)
        if print_ is None or policy.role_of(owner.task) == "learn":
            return False
        return any(policy.owner_of(print_, one) == owner for one in configuration.tenants)

    async def _take(
        self, offer: Offer, configuration: Configuration, link: _Link, texts: Texts
    ) -> tuple[str | None, bool]:
        """Take one offer over; gives why to build anew, and whether there is nothing left of it."""
        ties, key, offered = self.ties, offer.owner.key, offer.guarantee
        if offered is None or offered.task != key:
            return None, offered is None
        promise = promise_of(configuration, offer.owner, offer.question)
        lapse_s, now = configuration.learning.lapse_s, ties.clock.now()

        def decided() -> Save | Extend | Decline | None:
            return take(ties.guarantees.load(key), offered, promise, now=now, lapse_s=lapse_s)

        step = await self._run(decided)
        match step:
            case None:
                self._told.pop(key, None)
                return None, True
            case Decline(reason):
                self._tell(key, "exchange.declined", reason)
                return None, False
            case Extend(guarantee):
                await self._run(lambda: ties.guarantees.extend(guarantee))
                return f"`{key}` is confirmed", True
            case Save(guarantee):
                return await self._save(offer, guarantee, link, texts)

    async def _save(
        self, offer: Offer, guarantee: Guarantee, link: _Link, texts: Texts
    ) -> tuple[str | None, bool]:
        """Make a verdict the newest here, once its bundle is here and may serve."""
        key = offer.owner.key
        if guarantee.state == "granted":
            try:
                version = await self._fetch(key, guarantee, link, texts)
            except (BundleError, StateError, UpstreamError) as error:
                # What served goes on, until the learner has not confirmed it for too long.
                self._tell(key, "exchange.bundle_refused", _said(error))
                return None, False
            guarantee = replace(guarantee, bundle_version=version)

        def saved() -> None:
            self._opened().remember(offer.owner, offer.question)
            self.ties.guarantees.save(guarantee)

        await self._run(saved)
        self._told.pop(key, None)
        self.ties.log.event(
            f"exchange.{guarantee.state}",
            task=key,
            version=guarantee.bundle_version,
            reason=guarantee.reason,
        )
        return f"the learner says of `{key}`: {guarantee.state}", True

    async def _fetch(self, key: str, guarantee: Guarantee, link: _Link, texts: Texts) -> str:
        """Give the version here of the bundle that a guarantee is about; pulls it if need be."""
        stock = self.ties.stock
        known = await self._run(lambda: stock.version_of(key, guarantee.bundle))
        if known is not None:
            return known
        zone = self.configuration().place.zone
        archive = await link.learner.bundle(zone, key, guarantee.bundle_version)
        taken = await stock.take(
            archive, f"what `{link.configured.settings.name}` sent", Remembered(texts)
        )
        if (taken.bundle.name, taken.bundle.content_hash) != (key, guarantee.bundle):
            raise BundleError(f"the learner sent another bundle than that granted for `{key}`")
        return taken.bundle.version

    def _part(
        self, waiting: Sequence[Waiting], link: _Link, policy: LearnPolicy
    ) -> tuple[list[LabelRow], list[LabelRow]]:
        """Part what travels from what is counted at most."""
        offers = link.offers
        rows: list[LabelRow] = []
        others: list[LabelRow] = []
        for one in waiting:
            row = one.row
            travels = (
                offers is not None
                and offers.keys is not None
                and one.hashed_for == offers.keys.id
                and policy.role_of(row.owner.task) == "collect"
                and row.encoder == offers.encoder
                and may_leave(row.zone, link.configured.settings.zone, offers.zone)
            )
            (rows if travels else others).append(row)
        return rows, others

    def _count(self, rows: Sequence[LabelRow]) -> None:
        """Take rows off the list, and write down what their audits showed."""
        by_owner: dict[Owner, list[LabelRow]] = {}
        for row in rows:
            by_owner.setdefault(row.owner, []).append(row)
        outbox = self._opened().outbox
        for owner, of_owner in by_owner.items():
            report = self._report(owner, of_owner)
            outbox.done([row.row_id for row in of_owner], report)

    def _report(self, owner: Owner, rows: Sequence[LabelRow]) -> AuditReport | None:
        verdict = self.ties.guarantees.load(owner.key)
        if verdict is None or verdict.state != "granted":
            return None
        try:
            bundle = self.ties.stock.read(owner.key, verdict.bundle_version)
        except (BundleError, StateError):
            return None
        audited = [
            row
            for row in rows
            if row.origin == "audit"
            and row.time > verdict.granted_at
            and row.label in bundle.head.labels
            and row.encoder == bundle.encoder
        ]
        if not audited:
            return None
        counts = counted(audited, audit_rows(bundle, audited, verdict.loss), verdict)
        return AuditReport(self.ties.ids.request_id(), owner, counts)

    async def _send_reports(self, link: _Link, configuration: Configuration) -> bool:
        """Send counts, oldest first; raises UpstreamError where the learner cannot be reached."""
        store = self._opened()
        reports = await self._run(lambda: store.outbox.reports(CHUNK))
        questions = await self._run(store.questions) if reports else {}
        for report in reports:
            question = questions.get(report.owner)
            shared = report.owner.tenant not in configuration.tenants
            tenant = configuration.tenants[0] if shared else report.owner.tenant
            if question is not None:
                try:
                    await link.learner.take_counts(tenant, report, question)
                except UpstreamStatus as error:
                    if error.status not in _BAD_BATCH | _REFUSED:
                        raise
                    self._tell(report.owner.key, "exchange.refused", _said(error))
            await self._run(partial(store.outbox.reported, report.report_id))
        return bool(reports)

    async def _send_rows(self, link: _Link, rows: Sequence[LabelRow]) -> bool:
        """Send one batch; what is refused waits, or is counted as lost where it never will do."""
        store, owner, tenant = self._opened(), rows[0].owner, rows[0].tenant
        question = (await self._run(store.questions)).get(owner)
        if question is None:
            # It is written down with the first rows, at the latest a moment later.
            return False
        try:
            await link.learner.take_labels(owner, question, rows)
        except UpstreamStatus as error:
            if error.status in _REFUSED:
                self._held[owner.task, tenant] = self.ties.clock.monotonic() + HOLD_S
                self._tell(owner.key, "exchange.refused", _said(error))
                return False
            if error.status not in _BAD_BATCH:
                raise
            self.lost += len(rows)
            self._tell(owner.key, "exchange.lost", _said(error))
        await self._run(lambda: store.outbox.done([row.row_id for row in rows]))
        return True

    def _still_held(self) -> list[tuple[str, str]]:
        now = self.ties.clock.monotonic()
        self._held = {pair: until for pair, until in self._held.items() if until > now}
        return list(self._held)

    def _opened(self) -> SqliteLabels:
        if self._store is None:
            self._store = self.ties.labels()
        return self._store

    def _tell(self, about: str, event: str, message: str) -> None:
        """Log what is wrong, once until it changes."""
        if self._told.get(about) != message:
            self._told[about] = message
            self.ties.log.event(event, about=about, error=message)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def batches(rows: Sequence[LabelRow]) -> list[list[LabelRow]]:
    """Part rows so that each batch is of one owner, tenant and question, and bounded in bytes."""
    made: dict[tuple[Owner, str, str], list[list[LabelRow]]] = {}
    sizes: dict[tuple[Owner, str, str], int] = {}
    for row in rows:
        key = (row.owner, row.tenant, row.question)
        size = len(encode_row(row))
        of_key = made.setdefault(key, [])
        if not of_key or sizes[key] + size > BATCH_BYTES:
            of_key.append([])
            sizes[key] = 0
        of_key[-1].append(row)
        sizes[key] += size
    return [batch for of_key in made.values() for batch in of_key]


def _said(error: Exception) -> str:
    """Give the learner's own words where it has said some."""
    if isinstance(error, UpstreamStatus):
        failure = read_failure(error.body)
        if failure is not None:
            return f"{error}: {failure.message}"
    return str(error)


def start_exchange(
    stack: AsyncExitStack,
    upkeep: Upkeep,
    owner: StateOwner,
    configuration: Callable[[], Configuration],
    rebuild: Rebuild,
    texts: Callable[[], Awaitable[Texts]],
) -> Exchange:
    """Begin to talk to the learner in the process that owns the state; idle where there is none."""
    paths = owner.paths
    guarantees = SqliteGuarantees.open(paths.guarantees)
    stack.callback(guarantees.close)

    ties = Ties(
        owner.clock,
        SystemIds(),
        labels_of(paths, configuration),
        guarantees,
        Stock(paths),
        texts,
        rebuild,
        owner.log,
    )
    exchange = Exchange(ties, configuration)
    stack.push_async_callback(exchange.close)
    upkeep.every(configuration().learning.pull_s, "learner's news", exchange.pull)
    upkeep.every(SEND_EVERY_S, "labels for the learner", exchange.drain)
    upkeep.every(SWEEP_EVERY_S, "labels not sent", exchange.sweep)
    return exchange
