"""Nodes that share a learner: labels go to it, what it grants comes back, its word is needed."""

import time
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.e2e.harness import TENANT, Gateway
from tests.e2e.pair import Pair, running_pair
from tests.e2e.teacher import (
    ENDINGS,
    Teacher,
    ask,
    fresh_state,
    intent,
    is_serving,
    learned_all,
    lessons,
    settled,
)
from tests.e2e.waiting import until
from tidegate.cli.labels_at import writable_labels
from tidegate.cli.learned_at import learned_at
from tidegate.cli.purging import carried_out, purge_of
from tidegate.domain.identity import DEFAULT_SCOPES
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import AUTOMATIC
from tidegate.wire.exchange import encode_labels

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWNER = Owner("intent", TENANT)
Body = dict[str, object]
TEXTS = [text for text, _ in lessons()]


async def rows_of(gateway: Gateway) -> list[LabelRow]:
    encoder = gateway.node.parts.encoder.fingerprint
    return list(
        await gateway.node.parts.learning.keeper.use(lambda store: store.rows(OWNER, encoder))
    )


async def waiting(gateway: Gateway) -> int:
    return await gateway.node.parts.learning.keeper.use(lambda store: store.outbox.size())


async def pulled(pair: Pair) -> None:
    await pair.exchange.pulling.pull()


async def audited_whole(pair: Pair) -> None:
    """Pull once the learner wants every request audited, as its settings say."""

    def share() -> float | None:
        (verdict,) = pair.hub.node.generations.current.learned.verdicts.values()
        return verdict.audit_share

    await until(lambda: share() == 1.0)
    await pulled(pair)


async def collected(pair: Pair, texts: list[str]) -> list[str]:
    """Ask the edge, and have it send what came of it."""
    sources = await ask(pair.edge, texts)
    await settled(pair.edge)
    await pair.exchange.sending.drain()
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
        (told,) = learned_at(pair.edge.node.parts.paths)
        assert (told.stage, told.labels) == ("collecting", 5)
        assert "learns for this one" in told.why
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


async def test_rows_wait_while_the_learner_is_away_and_come_once(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with running_pair(tmp_path, teacher, copy_of=learned, hub={"audit_share": 1}) as pair:
        await audited_whole(pair)
        before = len(await rows_of(pair.hub))
        await pair.lose_hub()
        await collected(pair, TEXTS[:8])
        assert await waiting(pair.edge) == 8
        status = msgspec.json.decode((await pair.edge.admin("/admin/status")).body)
        assert (status["exchange"]["waiting"], status["exchange"]["dropped"]) == (8, 0)
        assert status["exchange"]["troubles"]

        await pair.regain_hub()
        await until(lambda: pair.exchange.ties.link is not None)
        await pair.exchange.sending.drain()
        there = (await rows_of(pair.hub))[before:]
        sent = (await rows_of(pair.edge))[-8:]
        assert [row.row_id for row in there] == [row.row_id for row in sent]
        assert await waiting(pair.edge) == 0

        # The answer to a batch may have been lost: the same rows again are not stored again.
        link = pair.exchange.ties.link
        assert link is not None
        question = pair.hub.node.parts.learning.keeper.questions[OWNER]
        assert await link.learner.take_labels(OWNER, question, sent) == 0
        assert len(await rows_of(pair.hub)) == before + 8


async def test_a_guarantee_lapses_that_nobody_confirms(learned: Path, tmp_path: Path) -> None:
    teacher = Teacher(dict(lessons()))
    async with running_pair(tmp_path, teacher, copy_of=learned, edge={"lapse_s": 1}) as pair:
        await pulled(pair)
        assert is_serving(pair.edge)
        await pair.lose_hub()
        await pulled(pair)
        await until(lambda: not is_serving(pair.edge))
        assert set(await ask(pair.edge, TEXTS[:10])) == {"upstream"}

        await pair.regain_hub()
        await pulled(pair)
        assert is_serving(pair.edge)


async def test_a_suspension_at_the_learner_reaches_those_who_pull(
    learned: Path, tmp_path: Path
) -> None:
    async with running_pair(tmp_path, Teacher(dict(lessons())), copy_of=learned) as pair:
        await pulled(pair)
        (granted,) = pair.hub.node.generations.current.learned.verdicts.values()
        guarantees = pair.hub.node.parts.learning.guarantees
        guarantees.warn(granted.task, granted.granted_at, "the world has moved")
        await learned_all(pair.hub)
        await until(lambda: not is_serving(pair.hub))

        await pulled(pair)

        assert not is_serving(pair.edge)
        (verdict,) = pair.edge.node.generations.current.learned.verdicts.values()
        assert (verdict.state, verdict.reason) == ("suspended", "the world has moved")


async def test_what_a_node_sees_itself_suspends_there_whatever_the_learner_says(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()), model="far-decider-2")
    async with running_pair(
        tmp_path, teacher, copy_of=learned, hub={"audit_share": 1}, edge={"role": "serve"}
    ) as pair:
        await audited_whole(pair)
        await ask(pair.edge, TEXTS[:20])
        await settled(pair.edge)
        await until(lambda: not is_serving(pair.edge))
        await pulled(pair)
        assert not is_serving(pair.edge)
        assert is_serving(pair.hub)


async def test_of_a_node_in_another_zone_only_counts_travel(learned: Path, tmp_path: Path) -> None:
    teacher = Teacher(dict(lessons()))
    async with running_pair(
        tmp_path,
        teacher,
        copy_of=learned,
        hub={"bundle_zones": ["us"], "audit_share": 1},
        zone="us",
    ) as pair:
        await audited_whole(pair)
        before = len(await rows_of(pair.hub))
        sources = await collected(pair, TEXTS[:40])
        assert sources.count("local") > 20
        assert await waiting(pair.edge) == 0
        assert len(await rows_of(pair.hub)) == before
        (granted,) = pair.hub.node.generations.current.learned.verdicts.values()
        counts = await pair.hub.node.parts.learning.keeper.use(
            lambda store: store.outbox.counted(OWNER, granted.granted_at)
        )
        assert sum(one.seen for _, one in counts) == 40
        assert sum(one.accepted for _, one in counts) == sources.count("local")


async def test_what_was_learned_does_not_leave_its_zone_unasked(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with running_pair(tmp_path, teacher, copy_of=learned, zone="us") as pair:
        await pulled(pair)
        assert "learning.bundle_zones" in pair.exchange.ties.told["learner"]


async def test_only_keys_of_nodes_with_the_scope_are_let_in(tmp_path: Path) -> None:
    fresh_state(tmp_path / "hub")
    async with running_pair(tmp_path, Teacher({})) as pair:
        hub = pair.hub
        client = hub.new_key(scopes=("learn",))
        node = hub.new_key(role="node", scopes=DEFAULT_SCOPES)
        paths = [
            ("/v1/learning/tasks?zone=eu", None),
            ("/v1/learning/bundles/intent.default/1-0a1b2c3d4e5f?zone=eu", None),
            *((f"/v1/learning/{name}", b"{}") for name in ("labels", "audits", "purge")),
        ]
        for path, body in paths:
            found = [(await hub.send(path, body, key=key)).status for key in (client, node)]
            assert found == [403, 403], path
            stranger = await hub.send(path, body, key="tg-" + "x" * 43)
            assert stranger.status == 401
        right = hub.new_key(role="node", scopes=("learn",))
        nowhere = await hub.send("/v1/learning/tasks", key=right)
        assert (nowhere.status, nowhere.param) == (400, "zone")
        assert (await hub.send("/v1/learning/labels", key=right)).status == 405
        assert (await hub.send("/v1/learning/labels", b"[]", key=right)).status == 400


async def test_rows_that_do_not_fit_are_refused_in_words(learned: Path, tmp_path: Path) -> None:
    async with running_pair(tmp_path, Teacher({}), copy_of=learned) as pair:
        (row,) = (await rows_of(pair.edge))[:1]
        question = pair.hub.node.parts.learning.keeper.questions[OWNER]
        sent = msgspec.json.decode(encode_labels(OWNER, question, [row]))
        key = pair.hub.new_key(role="node", scopes=("learn",))

        async def refused(
            row: dict[str, object] | None = None, **changes: object
        ) -> tuple[int, str]:
            body = {**sent, **changes}
            if row is not None:
                body["rows"] = [{**sent["rows"][0], **row}]
            got = await pair.hub.send("/v1/learning/labels", body, key=key)
            return got.status, got.json()["error"]["code"] or got.json()["error"]["param"]

        other = {**sent["question"], "instructions": "What else?"}
        assert await refused(task="nothing") == (404, "not_learned")
        assert await refused(question=other) == (409, "other_question")
        assert await refused(encoder="0" * 64) == (409, "other_encoder")
        assert await refused({"zone": "us"}) == (403, "other_zone")
        assert await refused({"label": "nonsense"}) == (400, "rows[0].label")
        assert await refused({"vector": "AAAA"}) == (400, "rows[0].vector")
        foreign = await pair.hub.send(
            "/v1/learning/labels", sent, key=key, headers={"x-tidegate-tenant": "other"}
        )
        assert foreign.status == 403


async def test_a_purge_at_the_edge_reaches_the_learner(tmp_path: Path) -> None:
    fresh_state(tmp_path / "hub")
    async with running_pair(tmp_path, Teacher(dict(lessons()))) as pair:
        await pulled(pair)
        for user in ("u-17", "u-18"):
            body = {"model": "decider", "input": user, "questions": [intent()], "user": user}
            await pair.edge.send("decisions", body)
        await settled(pair.edge)
        await pair.exchange.sending.drain()
        assert len(await rows_of(pair.hub)) == 2

        # As the command does it, beside the running node.
        wanted = purge_of(TENANT, "u-17", None, pair.edge.state)
        with writable_labels(pair.edge.state) as labels:
            carried_out(labels, wanted, "u-17", only_here=False, now=time.time())
        await pair.exchange.sending.drain()

        (there,), (here,) = await rows_of(pair.hub), await rows_of(pair.edge)
        assert there.row_id == here.row_id


async def test_a_question_without_a_task_is_learned_there_too(tmp_path: Path) -> None:
    fresh_state(tmp_path / "hub")
    async with running_pair(tmp_path, Teacher({})) as pair:
        await pulled(pair)
        question = {**intent(), "instructions": "Something that no task asks"}
        body = {"model": "decider", "input": "Hello", "questions": [question]}
        await pair.edge.send("decisions", body)
        await settled(pair.edge)
        await pair.exchange.sending.drain()
        (owner,) = set(pair.hub.node.parts.learning.keeper.questions) - {OWNER}
        assert owner.task.startswith(AUTOMATIC)
        encoder = pair.hub.node.parts.encoder.fingerprint
        counts = await pair.hub.node.parts.learning.keeper.use(
            lambda store: store.counts(owner, encoder)
        )
        assert counts.rows == 1
