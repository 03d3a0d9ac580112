"""Puts together what a learner answers other nodes with; see `fleet/learner_desk.py`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.exchange import AuditReport
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Question
from tidegate.fleet.learner_desk import Known, LearnerDesk
from tidegate.node.label_keeper import LabelKeeper
from tidegate.node.node import Node
from tidegate.node.stock import Stock


def learner_desk(node: Node) -> LearnerDesk:
    """Make the desk of a process that serves; it refuses where no route learns."""
    parts = node.parts

    def known() -> Known:
        generation, configuration = node.generations.current, node.built.configuration
        return Known(
            policy=generation.learned.policy,
            verdicts=generation.learned.verdicts,
            questions=parts.learning.keeper.questions,
            encoder=parts.encoder.fingerprint,
            dimensions=parts.encoder.dimensions,
            zone=configuration.place.zone,
            bundle_zones=frozenset(configuration.learning.bundle_zones),
            generation=generation.number,
            learns=parts.learning.is_open and any(one.learns for one in configuration.routes),
        )

    return LearnerDesk(
        parts.clock,
        parts.learning.keys,
        known,
        ReceivedLabels(parts.learning.keeper),
        StockedArchives(Stock(parts.paths)),
    )


@dataclass(frozen=True, slots=True)
class ReceivedLabels:
    """Implements `LabelIntake` on the store that this node's own labels go to."""

    keeper: LabelKeeper

    def takes(self, owner: Owner, question: Question) -> bool:
        """Tell whether labels of this owner are kept."""
        return self.keeper.takes(owner, question)

    async def receive(self, owner: Owner, question: Question, rows: Sequence[LabelRow]) -> int:
        """Store rows that are not there yet; gives how many are new."""

        def received(store: SqliteLabels) -> int:
            store.remember(owner, question)
            return store.add(rows)

        return await self.keeper.use(received)

    async def count(self, report: AuditReport, question: Question) -> bool:
        """Store a report; False when it is there already."""

        def counted(store: SqliteLabels) -> bool:
            store.remember(report.owner, question)
            return store.outbox.count(report)

        return await self.keeper.use(counted)

    async def purge(self, purge: Purge) -> int:
        """Delete rows for good; gives how many."""
        return (await self.keeper.use(lambda store: store.purge(purge))).rows


@dataclass(frozen=True, slots=True)
class StockedArchives:
    """Implements `Archives`; reading a bundle takes milliseconds, so not on the loop."""

    stock: Stock

    async def archive(self, name: str, version: str) -> bytes:
        """Give one version as an archive."""
        return await asyncio.to_thread(self.stock.archive, name, version)
