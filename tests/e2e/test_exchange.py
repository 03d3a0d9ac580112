"""Nodes that share a learner: labels go to it, what it grants comes back, its word is needed."""

from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.harness import TENANT, Gateway
from tests.e2e.pair import Pair, running_pair
from tests.e2e.teacher import (
    ENDINGS,
    Teacher,
    ask,
    fresh_state,
    is_serving,
    learned_all,
    lessons,
    settled,
)
from tidegate.domain.label import LabelRow, Owner

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWNER = Owner("intent", TENANT)
TEXTS = [text for text, _ in lessons()]


async def rows_of(gateway: Gateway) -> list[LabelRow]:
    encoder = gateway.node.parts.encoder.fingerprint
    return list(
        await gateway.node.parts.learning.keeper.use(lambda store: store.rows(OWNER, encoder))
    )


async def waiting(gateway: Gateway) -> int:
    return await gateway.node.parts.learning.keeper.use(lambda store: store.outbox.size())


async def pulled(pair: Pair) -> None:
    await pair.exchange.pull()


async def collected(pair: Pair, texts: list[str]) -> list[str]:
    """Ask the edge, and have it send what came of it."""
    sources = await ask(pair.edge, texts)
    await settled(pair.edge)
    await pair.exchange.drain()
    return sources


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States of a hub that has granted on the edge's labels alone, and of the edge that serves."""
    folder = tmp_path_factory.mktemp("pair")
    fresh_state(folder / "hub")
    async with running_pair(folder, Teacher(dict(lessons()))) as pair:
        await pulled(pair)
        for ending in ("", *ENDINGS):
            await collected(pair, [text + ending for text, _ in lessons()])
            await learned_all(pair.hub)
            if is_serving(pair.hub):
                break
        assert is_serving(pair.hub)
        assert not is_serving(pair.edge)
        await pulled(pair)
        assert is_serving(pair.edge)
    return folder


async def test_a_forwarded_call_becomes_a_label_at_the_learner(tmp_path: Path) -> None:
    fresh_state(tmp_path / "hub")
    async with running_pair(tmp_path, Teacher(dict(lessons()))) as pair:
        await pulled(pair)
        await collected(pair, TEXTS[:5])
        sent, there = await rows_of(pair.edge), await rows_of(pair.hub)
        assert [row.row_id for row in there] == [row.row_id for row in sent]
        assert [row.label for row in there] == [label for _, label in lessons()[:5]]
        # Hashed under the learner's keys: the same text has the same role on every node.
        assert [(row.group, row.role) for row in there] == [(row.group, row.role) for row in sent]
        assert {(row.zone, row.tenant, row.text) for row in there} == {("eu", TENANT, None)}
        await ask(pair.hub, TEXTS[:1])
        await settled(pair.hub)
        assert (await rows_of(pair.hub))[-1].cluster == there[0].cluster
        assert await waiting(pair.edge) == 0


async def test_what_the_learner_grants_is_answered_at_the_edge(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with running_pair(
        tmp_path, teacher, copy_of=learned, edge={"audit_share": 0.0001}
    ) as pair:
        await pulled(pair)
        sources = await ask(pair.edge, TEXTS[:60])
        assert sources.count("local") > 30
        (verdict,) = pair.edge.node.generations.current.learned.verdicts.values()
        (granted,) = pair.hub.node.generations.current.learned.verdicts.values()
        assert (verdict.bundle, verdict.granted_at) == (granted.bundle, granted.granted_at)
        assert verdict.expires_at < granted.expires_at
