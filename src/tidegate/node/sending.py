"""Sends labels to the learner of this node's tasks, and counts of audits where rows may not go.

What waits lies in the label store (`adapters/label_outbox.py`) until the learner has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tidegate.config.configuration import Configuration
from tidegate.domain.exchange import AuditReport, Waiting
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.errors import BundleError, StateError, UpstreamError, UpstreamStatus
from tidegate.learning.exchange import counted, may_leave
from tidegate.learning.traffic import audit_rows
from tidegate.node.learner_link import Link, Ties, said
from tidegate.node.learning import policy_of
from tidegate.wire.exchange import encode_row

CHUNK = 200
"""Rows looked at in one go."""
BATCH_BYTES = 192 * 1024
"""Of one request: small enough to be checked in a few milliseconds on the other side."""
MOST_REPORTS = 10_000
"""Reports of counts that may wait; the oldest go first."""
HOLD_S = 60.0
"""How long rows of a task wait that the learner has refused, before it is asked again."""

_TOO_LARGE = 413
_BAD_BATCH = frozenset({400, _TOO_LARGE})
"""It will not take this batch however often it is sent."""
_REFUSED = frozenset({403, 404, 409})
"""It will not take rows of this task, until somebody has changed a configuration."""


@dataclass(slots=True)
class Sending:
    """Empties the outbox, again and again."""

    ties: Ties
    lost: int = 0
    """Rows that the learner will never take, since the node started."""
    _held: dict[tuple[str, str], float] = field(default_factory=dict)

    async def send(self) -> bool:
        """Send what waits; gives whether anything was, so that one may go on at once."""
        configuration = self.ties.configuration()
        link = await self.ties.linked()
        # Before it was heard it is not known whether rows may go there.
        if link is None or link.offers is None:
            return False
        async with self.ties.working:
            held = self._still_held()
            waiting = await self.ties.run(lambda: self.ties.store().outbox.waiting(CHUNK, but=held))
            rows, others = self._part(waiting, link, policy_of(configuration))
            did = bool(others)
            if others:
                await self.ties.run(lambda: self._count(others))
            try:
                await self._send_purges(link)
                did = await self._send_reports(link, configuration) or did
                for batch in batches(rows):
                    did = await self._send_rows(link, batch) or did
            except UpstreamError as error:
                self.ties.tell("send", "exchange.waiting", said(error))
                return False
            self.ties.told.pop("send", None)
        return did

    async def drain(self) -> None:
        """Send until nothing waits that may go now."""
        while await self.send():
            pass

    async def sweep(self) -> None:
        """Count what went before it was sent."""
        if self.ties.is_used:
            await self.ties.run(lambda: self.ties.store().outbox.sweep(MOST_REPORTS))

    def _part(
        self, waiting: Sequence[Waiting], link: Link, policy: LearnPolicy
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
        outbox = self.ties.store().outbox
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

    async def _send_purges(self, link: Link) -> None:
        """Have the learner purge what was purged here; it is asked until it has done so."""
        outbox = self.ties.store().outbox
        for number, purge in await self.ties.run(outbox.purges):
            try:
                await link.learner.purge(purge.tenant or "", purge)
            except UpstreamStatus as error:
                if error.status not in _BAD_BATCH | _REFUSED:
                    raise
                self.ties.tell("purge", "exchange.refused", said(error))
            await self.ties.run(partial(outbox.purged, number))

    async def _send_reports(self, link: Link, configuration: Configuration) -> bool:
        """Send counts, oldest first; raises UpstreamError where the learner cannot be reached."""
        store = self.ties.store()
        reports = await self.ties.run(lambda: store.outbox.reports(CHUNK))
        questions = await self.ties.run(store.questions) if reports else {}
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
                    self.ties.tell(report.owner.key, "exchange.refused", said(error))
            await self.ties.run(partial(store.outbox.reported, report.report_id))
        return bool(reports)

    async def _send_rows(self, link: Link, rows: Sequence[LabelRow]) -> bool:
        """Send one batch; what is refused waits, or is counted as lost where it never will do."""
        store, owner, tenant = self.ties.store(), rows[0].owner, rows[0].tenant
        question = (await self.ties.run(store.questions)).get(owner)
        if question is None:
            # It is written down with the first rows, at the latest a moment later.
            return False
        try:
            await link.learner.take_labels(owner, question, rows)
        except UpstreamStatus as error:
            if error.status in _REFUSED:
                self._held[owner.task, tenant] = self.ties.clock.monotonic() + HOLD_S
                self.ties.tell(owner.key, "exchange.refused", said(error))
                return False
            if error.status == _TOO_LARGE and len(rows) > 1:
                half = len(rows) // 2
                did = await self._send_rows(link, rows[:half])
                return await self._send_rows(link, rows[half:]) or did
            if error.status not in _BAD_BATCH:
                raise
            self.lost += len(rows)
            self.ties.tell(owner.key, "exchange.lost", said(error))
        await self.ties.run(lambda: store.outbox.done([row.row_id for row in rows]))
        return True

    def _still_held(self) -> list[tuple[str, str]]:
        now = self.ties.clock.monotonic()
        self._held = {pair: until for pair, until in self._held.items() if until > now}
        return list(self._held)


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
