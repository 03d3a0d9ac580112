"""A node and its learner, which is a fake here: what is taken over, what is sent, what waits."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from tests.label_rows import a_label
from tests.unit.gateway.fakes import ManualClock
from tests.unit.node.learning_bench import (
    CONFIG,
    ENCODER,
    OWNER,
    QUESTION,
    Bench,
    rows,
)
from tidegate.adapters.bundles.archive import from_archive, to_archive
from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.learners.in_memory import MemoryLearner
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.config.configuration import Configuration
from tidegate.config.load import check_text
from tidegate.domain.exchange import AuditCount, AuditReport, Offer, Offers, SharedKeys
from tidegate.domain.guarantee import Grant, Guarantee
from tidegate.domain.label import LabelRow, Purge
from tidegate.errors import UpstreamStatus, UpstreamUnreachable
from tidegate.node.learner_link import Ties
from tidegate.node.owner import Reach
from tidegate.node.pulling import Pulling
from tidegate.node.sending import BATCH_BYTES, HOLD_S, Sending, batches
from tidegate.node.stock import Stock
from tidegate.wire.exchange import encode_row

KEYS = SharedKeys(b"g" * 32, b"r" * 32, b"u" * 32)
AWAY = UpstreamUnreachable("hub", "refused")


class Edge:
    """A node that collects for a learner in memory."""

    def __init__(self, folder: Path, learner: MemoryLearner) -> None:
        self.folder, self.learner = folder, learner
        self.clock, self.log = ManualClock(wall=1_800_100_100.0), MemoryLog()
        self.guarantees = SqliteGuarantees.open(folder / "guarantees.sqlite")
        self.stock = Stock(StatePaths(folder))
        self.labels = self.open_labels()
        self.rebuilt: list[str] = []
        self.revoked: list[Grant] = []
        self.restored: list[Grant] = []
        self.bench = Bench(folder / "texts")
        self.configured = collecting(folder)
        self.ties = Ties(
            self.clock,
            SystemIds(),
            self.open_labels,
            self.guarantees,
            self.stock,
            self.log,
            lambda: self.configured,
            lambda _configured, _configuration: learner,
        )
        self.pulling = Pulling(
            self.ties, self.bench.texts, Reach(self.revoke, self.restore, self.rebuild)
        )
        self.sending = Sending(self.ties)

    def open_labels(self) -> SqliteLabels:
        keys = TenantKeys(self.folder / "label_keys")
        return SqliteLabels.open(self.folder / "labels.sqlite", keys, secret=b"s" * 32)

    async def rebuild(self, why: str) -> None:
        self.rebuilt.append(why)

    async def revoke(self, grant: Grant) -> None:
        self.revoked.append(grant)

    async def restore(self, grant: Grant) -> None:
        self.restored.append(grant)

    @property
    def verdict(self) -> Guarantee | None:
        return self.guarantees.load(OWNER.key)

    def events(self) -> list[str]:
        return [name for name, _ in self.log.events]

    async def close(self) -> None:
        await self.ties.close()
        await self.bench.close()
        self.labels.close()
        self.guarantees.close()


def collecting(folder: Path) -> Configuration:
    (folder / "key").write_text("tg-key")
    (folder / "key").chmod(0o600)
    hub = b"""upstreams: [{name: hub, kind: tidegate, base_url: "http://127.0.0.1:9/v1",
      tier: region, region: eu, zone: eu, api_key: "file:key"}, {name: central,"""
    content = (
        CONFIG.replace(b"upstreams: [{name: central,", hub)
        .replace(b"learning: {", b"learning: {role: collect, learner: hub, ")
        .replace(b"tenants:", b"node: {tier: pop, region: eu-west, zone: eu}\ntenants:")
    )
    found = check_text(content, None, {}, folder=folder)
    assert found.configuration is not None, found.problems
    return found.configuration


@dataclass(frozen=True)
class Hub:
    """What a learner has granted, and the folder in which it lies."""

    folder: Path
    verdict: Guarantee
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    folder = tmp_path_factory.mktemp("hub", numbered=True)
    folder.chmod(0o700)

    async def taught() -> Hub:
        bench = Bench(folder)
        bench.labels.add(rows(400))
        await bench.learner.round()
        verdict = bench.verdict
        await bench.close()
        assert verdict is not None
        return Hub(folder, verdict, bench.bundles.read(OWNER.key, verdict.bundle_version))

    return asyncio.run(taught())


@pytest_asyncio.fixture
async def edge(tmp_path: Path, hub: Hub) -> AsyncIterator[Edge]:
    learner = MemoryLearner(offers(hub.verdict))
    learner.archives[OWNER.key, hub.verdict.bundle_version] = to_archive(hub.files)
    (tmp_path / "texts").mkdir(mode=0o700)
    made = Edge(tmp_path, learner)
    yield made
    await made.close()


def offers(verdict: Guarantee) -> Offers:
    return Offers(ENCODER, "eu", KEYS, (Offer(OWNER, QUESTION, verdict),))


async def test_what_was_granted_is_here_with_its_bundle(edge: Edge, hub: Hub) -> None:
    await edge.pulling.pull()
    assert edge.verdict is not None
    assert edge.verdict == replace(hub.verdict, expires_at=edge.clock.now() + 900.0)
    assert edge.stock.read(OWNER.key, edge.verdict.bundle_version).content_hash == (
        hub.verdict.bundle
    )
    assert edge.labels.outbox.keys() == KEYS
    assert len(edge.rebuilt) == 1
    await edge.pulling.pull()
    assert len(edge.rebuilt) == 1


async def test_a_number_that_is_taken_here_changes_the_number_alone(edge: Edge, hub: Hub) -> None:
    # Another version with this number: what this node learned before it had a learner.
    (edge.folder / "bundles" / OWNER.key / f"1-{'0' * 12}").mkdir(parents=True)
    await edge.pulling.pull()
    assert edge.verdict is not None
    assert edge.verdict.bundle_version == hub.verdict.bundle_version.replace("1-", "2-", 1)
    assert edge.verdict.bundle == hub.verdict.bundle


async def test_a_damaged_bundle_is_refused_and_what_served_goes_on(edge: Edge, hub: Hub) -> None:
    await edge.pulling.pull()
    before = edge.verdict
    assert before is not None
    newer = replace(hub.verdict, bundle="f" * 64, bundle_version=f"2-{'f' * 12}", granted_at=9e9)
    files = from_archive(edge.learner.archives[OWNER.key, hub.verdict.bundle_version], "it")
    files["head.npy"] = files["head.npy"][:-1] + b"\0"
    edge.learner.archives[OWNER.key, newer.bundle_version] = to_archive(files)
    edge.learner.has = offers(newer)

    await edge.pulling.pull()
    await edge.pulling.pull()

    assert edge.verdict == before
    assert edge.events().count("exchange.bundle_refused") == 1
    # It is not the learner's word any more, so it ends when that has been missing for too long.
    edge.clock.advance(899.0)
    await edge.pulling.pull()
    assert edge.verdict == before


async def test_another_bundle_than_the_one_granted_is_refused(edge: Edge, hub: Hub) -> None:
    edge.learner.has = offers(replace(hub.verdict, bundle="f" * 64))
    await edge.pulling.pull()
    assert edge.verdict is None
    assert edge.events() == ["exchange.bundle_refused"]
    # Nor is it written down, where another task might take it for its newest.
    assert edge.stock.all() == []


async def test_a_learner_that_is_away_confirms_nothing(edge: Edge) -> None:
    await edge.pulling.pull()
    before = edge.verdict
    assert before is not None
    edge.learner.fails = AWAY
    edge.clock.advance(600.0)
    await edge.pulling.pull()
    assert edge.verdict == before
    assert edge.events()[-1] == "exchange.unreachable"

    edge.learner.fails = None
    await edge.pulling.pull()
    assert edge.verdict == replace(before, expires_at=edge.clock.now() + 900.0)
    assert edge.rebuilt[-1] == f"`{OWNER.key}` is confirmed"
    assert len(edge.guarantees.history(OWNER.key, 10)) == 1


@pytest.mark.parametrize(
    ("changes", "event"),
    [({"encoder": "0" * 64}, "exchange.encoder"), ({"zone": "us"}, "exchange.zone")],
)
async def test_a_learner_of_another_kind_confirms_nothing(
    edge: Edge, changes: dict[str, Any], event: str
) -> None:
    edge.learner.has = replace(edge.learner.has, **changes)
    await edge.pulling.pull()
    assert (edge.verdict, edge.rebuilt, edge.events()) == (None, [], [event])


async def test_what_the_learner_takes_back_is_revoked_here_at_once(edge: Edge, hub: Hub) -> None:
    await edge.pulling.pull()
    edge.learner.has = offers(replace(hub.verdict, state="suspended", audit_stratum=2))
    await edge.pulling.pull()
    assert edge.verdict is not None
    assert edge.verdict.state == "suspended"
    assert edge.revoked == [hub.verdict.grant]


async def test_a_renewal_comes_over_and_what_has_given_its_answers_does_not(
    edge: Edge, hub: Hub
) -> None:
    await edge.pulling.pull()
    edge.guarantees.count(0, {hub.verdict.grant: (hub.verdict.expires_after_answers, 0)})
    renewed = replace(hub.verdict, renewals=1, expires_after_answers=3_000_000)
    edge.learner.has = offers(renewed)
    await edge.pulling.pull()
    assert edge.verdict is not None
    assert (edge.verdict.renewals, edge.verdict.expires_after_answers) == (1, 3_000_000)
    assert edge.revoked == []

    edge.guarantees.count(0, {hub.verdict.grant: (2_000_000, 0)})
    edge.guarantees.save(replace(edge.verdict, state="expired"))
    edge.learner.has = offers(replace(renewed, reason="still the same"))
    await edge.pulling.pull()
    assert edge.verdict.state == "expired"


async def test_what_was_not_confirmed_in_time_is_answered_under_again(edge: Edge, hub: Hub) -> None:
    await edge.pulling.pull()
    assert edge.verdict is not None
    edge.guarantees.save(replace(edge.verdict, state="expired", reason="not confirmed"))
    edge.learner.has = offers(replace(hub.verdict, reason="back"))
    await edge.pulling.pull()
    assert edge.verdict.state == "granted"
    assert edge.restored == [hub.verdict.grant]


async def test_a_looser_guarantee_than_asked_for_is_declined(edge: Edge) -> None:
    settings = msgspec.structs.replace(edge.configured.learning, max_error=0.1)
    edge.configured = replace(edge.configured, learning=settings)
    await edge.pulling.pull()
    assert (edge.verdict, edge.events()) == (None, ["exchange.declined"])


async def test_offers_for_others_are_left_alone(edge: Edge, hub: Hub) -> None:
    stranger = replace(OWNER, tenant="stranger")
    edge.learner.has = replace(edge.learner.has, tasks=(Offer(stranger, QUESTION, hub.verdict),))
    await edge.pulling.pull()
    assert edge.guarantees.load(stranger.key) is None


def mine(count: int, **changes: Any) -> list[LabelRow]:
    """Make rows that wait for the learner, younger than its guarantee."""
    made = rows(count, first=2_000, seed=5)
    plain = {"hashed_for": KEYS.id, "time": 1_800_200_000.0, **changes}
    return [replace(row, **plain) for row in made]


async def remembered(edge: Edge) -> None:
    await edge.pulling.pull()
    edge.labels.remember(OWNER, QUESTION)


async def test_rows_go_and_are_forgotten_only_when_they_are_there(edge: Edge) -> None:
    await remembered(edge)
    edge.labels.add(mine(5))
    edge.learner.fails = AWAY
    await edge.sending.drain()
    assert (len(edge.learner.rows), edge.labels.outbox.size()) == (0, 5)
    edge.learner.fails = None
    await edge.sending.drain()
    assert (len(edge.learner.rows), edge.labels.outbox.size()) == (5, 0)


async def test_nothing_goes_before_the_learner_was_heard(edge: Edge) -> None:
    edge.labels.add(mine(2))
    assert not await edge.sending.send()
    assert edge.labels.outbox.size() == 2


async def test_what_is_refused_waits_and_is_not_asked_again_and_again(edge: Edge) -> None:
    await remembered(edge)
    edge.labels.add(mine(3))
    edge.learner.fails = UpstreamStatus("hub", 404, body=b'{"error":{"message":"no such task"}}')
    await edge.sending.drain()
    assert edge.labels.outbox.size() == 3
    (told,) = [fields for name, fields in edge.log.events if name == "exchange.refused"]
    assert "no such task" in str(told["error"])
    edge.learner.fails = None
    await edge.sending.drain()
    assert edge.labels.outbox.size() == 3
    edge.clock.advance(HOLD_S + 1.0)
    await edge.sending.drain()
    assert edge.labels.outbox.size() == 0


async def test_a_batch_that_is_malformed_is_counted_as_lost(edge: Edge) -> None:
    await remembered(edge)
    edge.labels.add(mine(3))
    edge.learner.fails = UpstreamStatus("hub", 400)
    await edge.sending.drain()
    assert (edge.labels.outbox.size(), edge.sending.lost) == (0, 3)


async def test_a_batch_that_is_too_large_there_goes_in_parts(edge: Edge) -> None:
    await remembered(edge)
    edge.labels.add(mine(7))
    edge.learner.most_rows = 2
    await edge.sending.drain()
    assert (len(edge.learner.rows), edge.labels.outbox.size(), edge.sending.lost) == (7, 0, 0)
    edge.labels.add([replace(row, row_id=f"again {row.row_id}") for row in mine(3)])
    edge.learner.most_rows = 0
    await edge.sending.drain()
    assert (edge.labels.outbox.size(), edge.sending.lost) == (0, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"zone": "us"},
        {"hashed_for": ""},
        {"hashed_for": "of another learner"},
        {"encoder": "0" * 64},
    ],
)
async def test_rows_that_may_not_travel_are_counted_at_most(
    edge: Edge, changes: dict[str, Any]
) -> None:
    await remembered(edge)
    edge.labels.add(mine(20, **changes))
    await edge.sending.drain()
    assert edge.learner.rows == {}
    assert edge.labels.outbox.size() == 0
    seen = sum(one.seen for report in edge.learner.reports.values() for one in report.counts)
    assert seen == (0 if "encoder" in changes else 20)


async def test_a_node_that_serves_sends_counts_alone(edge: Edge) -> None:
    edge.configured = replace(edge.configured, learn_roles={"intent": "serve"})
    await remembered(edge)
    edge.labels.add(mine(10))
    await edge.sending.drain()
    assert edge.learner.rows == {}
    (report,) = edge.learner.reports.values()
    assert [(one.stratum, one.seen) for one in report.counts] == [("language=", 10)]


async def test_counts_wait_until_they_were_taken(edge: Edge) -> None:
    await remembered(edge)
    edge.labels.add(mine(10, hashed_for=""))
    edge.learner.fails = AWAY
    await edge.sending.drain()
    (report,) = edge.labels.outbox.reports(10)
    edge.learner.fails = None
    await edge.sending.drain()
    assert edge.learner.reports == {report.report_id: report}
    assert edge.labels.outbox.reports(10) == []


async def test_a_purge_waits_until_the_learner_has_done_it(edge: Edge) -> None:
    await remembered(edge)
    edge.labels.outbox.forward(Purge(tenant="acme"), now=7.0)
    edge.learner.fails = AWAY
    await edge.sending.drain()
    assert edge.learner.purges == []
    edge.learner.fails = None
    await edge.sending.drain()
    await edge.sending.drain()
    assert edge.learner.purges == [("acme", Purge("acme", None, 7.0))]


def test_batches_are_of_one_tenant_and_bounded_in_bytes() -> None:
    vector = np.ones(384, dtype=np.float32)
    many = [a_label(str(n), vector=vector, group=b"g" * 16) for n in range(300)]
    made = batches([*many, a_label("other", tenant="bravo")])
    assert sum(len(batch) for batch in made) == 301
    assert all(len({row.tenant for row in batch}) == 1 for batch in made)
    assert all(sum(len(encode_row(row)) for row in batch) <= BATCH_BYTES for batch in made)
    assert len(made) > 2


async def test_counts_of_other_nodes_suspend_at_the_learner(hub: Hub, tmp_path: Path) -> None:
    shutil.copytree(hub.folder, tmp_path / "copy")
    bench = Bench(tmp_path / "copy")
    good = AuditCount(hub.verdict.bundle, hub.verdict.granted_at, "language=en", 30, 30, 2)
    states = []
    for number, count in enumerate((good, replace(good, disagreed=25))):
        bench.labels.outbox.count(AuditReport(f"report-{number}", OWNER, (count,)))
        await bench.oversee()
        verdict = bench.verdict
        assert verdict is not None
        states.append((verdict.state, "disagree" in verdict.reason))
    assert states == [("granted", False), ("suspended", True)]
    await bench.close()
