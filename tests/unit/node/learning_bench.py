"""A learner and an overseer on a store of rows, with everything they need."""

import asyncio
from pathlib import Path

import numpy as np

from tests.label_rows import a_label
from tests.unit.gateway.fakes import ManualClock
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.bundles.golden import TEXTS
from tidegate.config.configuration import Configuration
from tidegate.config.load import check_text
from tidegate.domain.encoding import Encoding
from tidegate.domain.guarantee import Grant, Guarantee
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.question import Option, Question
from tidegate.learning.audit import derive, role
from tidegate.node.fitting import Texts
from tidegate.node.learner import Learner, Shop
from tidegate.node.overseer import Office, Overseer
from tidegate.node.owner import Reach

OWNER = Owner("intent", "acme")
LABELS = ("order", "refund", "other")
QUESTION = Question("choice", "intent", "What?", tuple(Option(label) for label in LABELS))
ENCODER = "e" * 64
CONFIG = b"""
tenants: [{name: acme}]
upstreams: [{name: central, kind: openai, base_url: "http://127.0.0.1:9/v1", tier: central,
  region: us, zone: us}]
routes: [{models: [decider], upstreams: [central], tasks: [intent], learn: true}]
tasks: {intent: {question: {type: choice, instructions: "What?", choices: [{value: order},
  {value: refund}, {value: other}]}}}
learning: {max_error: 0.2}
"""
KEYS = derive(b"p" * 32)
DIMENSIONS = 8


def rows(count: int, *, wrong: float = 0.0, seed: int = 1, first: int = 0) -> list[LabelRow]:
    """Make rows whose vectors tell the label, but for a share of random labels."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(first, first + count):
        place = int(generator.integers(3))
        vector = generator.normal(0, 0.1, DIMENSIONS).astype(np.float32)
        vector[place] += 1.0
        label = LABELS[place if generator.random() >= wrong else int(generator.integers(3))]
        group = number.to_bytes(16, "big")
        made.append(
            a_label(
                f"{number}/0",
                owner=OWNER,
                label=label,
                vector=vector / np.linalg.norm(vector),
                group=group,
                cluster=group,
                role=role(KEYS, group),
                time=1_800_000_000.0 + number,
            )
        )
    return made


class Bench:
    """A learner with everything it needs, and what it made others build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(wall=1_800_100_000.0)
        self.log = MemoryLog()
        self.guarantees = SqliteGuarantees.open(folder / "guarantees.sqlite")
        self.labels = self.open_labels()
        self.labels.remember(OWNER, QUESTION)
        self.bundles = BundleFolder(folder / "bundles")
        self.rebuilt: list[str] = []
        self.revoked: list[Grant] = []
        self.changing = asyncio.Lock()
        """Held by whoever changes what serves, as a reload does."""
        self.config = CONFIG
        self.learner = self.new_learner()
        self.overseer = self.new_overseer()

    def new_learner(self) -> Learner:
        """A learner as after a restart: it knows what is on the disk and nothing else."""
        shop = Shop(
            self.clock,
            self.open_labels,
            self.guarantees,
            self.bundles,
            self.texts,
            self.rebuild,
            self.log,
        )
        return Learner(shop, self.configuration)

    def new_overseer(self) -> Overseer:
        """An overseer as after a restart."""
        reach = Reach(self.revoke, self.restore, self.rebuild)
        office = Office(
            self.clock, self.open_labels, self.guarantees, self.bundles, reach, self.log
        )
        return Overseer(office, self.configuration)

    def configuration(self) -> Configuration:
        found = check_text(self.config, None, {}, folder=Path()).configuration
        assert found is not None
        return found

    async def oversee(self) -> bool:
        """Look after guarantees once; tells whether anything changed."""
        did = await self.overseer.round()
        await self.overseer.follow()
        return did

    async def close(self) -> None:
        await self.overseer.close()
        await self.learner.close()
        self.labels.close()
        self.guarantees.close()

    def open_labels(self) -> SqliteLabels:
        keys = TenantKeys(self.folder / "label_keys")
        return SqliteLabels.open(self.folder / "labels.sqlite", keys, secret=b"s" * 32)

    async def texts(self) -> Texts:
        vector = np.full(DIMENSIONS, 0.3, dtype=np.float32)
        return Texts(ENCODER, [Encoding(vector, 5, is_truncated=False)] * len(TEXTS))

    async def rebuild(self, why: str) -> None:
        async with self.changing:
            self.rebuilt.append(why)

    async def revoke(self, grant: Grant) -> None:
        self.revoked.append(grant)

    async def restore(self, grant: Grant) -> None:
        self.revoked.remove(grant)

    @property
    def verdict(self) -> Guarantee | None:
        return self.guarantees.load(OWNER.key)

    @property
    def granted(self) -> Guarantee:
        """The newest verdict, which there is."""
        found = self.verdict
        assert found is not None
        return found

    def events(self) -> list[str]:
        return [name for name, _ in self.log.events]
