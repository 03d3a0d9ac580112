"""A node that starts with nothing and answers more and more itself."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.contract.servers import Turn
from tests.e2e.harness import TENANT, Gateway, Got, running_gateway
from tests.e2e.teacher import (
    LABELS,
    Teacher,
    ask,
    fresh_state,
    intent,
    is_serving,
    learned_all,
    learning_from,
    lessons,
    serving_copy,
    settled,
    taught,
)
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until
from tidegate.adapters.record_reader import open_records
from tidegate.cli.learned_at import learned_at
from tidegate.demo.rows import example_folder, read_rows
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.record import Record
from tidegate.statistics.language import language
from tidegate.statistics.novelty import accept_score
from tidegate.tasks.scores import score

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWNER = Owner("intent", TENANT)
TEXTS = [text for text, _ in lessons()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which the task `intent` is granted."""
    return await taught(tmp_path_factory.mktemp("learned"), Teacher(dict(lessons())))


@dataclass
class SlowFor:
    """A teacher that keeps some texts waiting until it is told to go on."""

    teacher: Teacher
    texts: set[str] = field(default_factory=set)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    async def __call__(self, turn: Turn) -> None:
        if msgspec.json.decode(turn.seen.body)["input"] in self.texts:
            self.waiting += 1
            await self.go_on.wait()
        await self.teacher(turn)


async def rows_of(gateway: Gateway, owner: Owner = OWNER) -> list[LabelRow]:
    encoder = gateway.node.parts.encoder.fingerprint
    rows = await gateway.node.parts.learning.keeper.use(lambda store: store.rows(owner, encoder))
    return list(rows)


async def test_the_local_share_grows_from_nothing_by_itself(learned: Path, tmp_path: Path) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=0.0001) as gateway:
        # It serves at once after a restart: what was granted is kept.
        assert is_serving(gateway)

        sources = await ask(gateway, TEXTS[:100])

        assert sources.count("local") > 60
        assert sources.count("upstream") == len(teacher.asked)


async def test_what_is_answered_here_is_audited_off_the_clients_path(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=1) as gateway:
        before = len(await rows_of(gateway))
        sources = await ask(gateway, TEXTS[:40])
        await settled(gateway)
        rows = (await rows_of(gateway))[before:]

        local = sources.count("local")
        assert local > 20
        # Each text went up once, whoever answered its client.
        assert sorted(teacher.asked) == sorted(TEXTS[:40])
        assert [row.origin for row in rows] == ["audit"] * 40
        assert {row.share for row in rows} == {1.0}
        kinds = [record.kind for record in records(gateway)]
        assert kinds.count("audit") == local
        (audit, *_) = [record for record in records(gateway) if record.kind == "audit"]
        assert (audit.tenant, audit.source, audit.upstream) == (TENANT, "upstream", "far")
        assert audit.input_tokens == 50


async def test_a_language_or_region_with_too_few_audit_rows_goes_upstream(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    proxied = {"trusted_proxies": ["127.0.0.1"], "region_header": "cf-ipcountry"}
    async with serving_copy(
        learned, tmp_path, teacher, data=proxied, audit_share=0.0001
    ) as gateway:
        (verdict,) = gateway.node.generations.current.learned.verdicts.values()
        assert {one.name: one.is_allowed for one in verdict.strata}["region=eu-west"]
        several = await surest(gateway, 30)
        sure = several[0]
        mixed = [f"{text} Das ist der Grund, und ich bin die Kundin." for text in several]
        german = [text for text in mixed if language(text) == "de"]

        async def why(text: str, **headers: str) -> tuple[str, str]:
            body = {"model": "decider", "input": text, "questions": [intent()]}
            got = await gateway.send("decisions", body, headers=headers)
            (question,) = (await gateway.record(got.request_id)).questions
            return question.source, question.reason

        assert (await why(sure))[0] == "local"
        found = {await why(text) for text in german}
        assert {source for source, _ in found} == {"upstream"}
        assert ("upstream", "too few audit rows of language=de") in found
        elsewhere = await why(sure, **{"cf-ipcountry": "NO"})
        assert elsewhere == ("upstream", "too few audit rows of region=no")


async def test_no_more_audits_are_made_a_day_than_the_operator_allows(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=1, audits_per_day=5) as gateway:
        await ask(gateway, TEXTS[:40])
        await settled(gateway)
        assert [record.kind for record in records(gateway)].count("audit") == 5


async def test_an_upstream_that_fails_only_for_audits_disturbs_no_client(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()), fails_after=0)
    async with serving_copy(learned, tmp_path, teacher, audit_share=1) as gateway:
        (sure,) = await surest(gateway, 1)
        before = len(await rows_of(gateway))

        assert await ask(gateway, [sure]) == ["local"]
        await settled(gateway)

        assert len(await rows_of(gateway)) == before
        (failed,) = [record for record in records(gateway) if record.kind == "audit"]
        assert failed.error == "NoAnswer"


async def test_an_upstream_that_is_slow_only_for_audits_keeps_no_client_waiting(
    learned: Path, tmp_path: Path
) -> None:
    slow = SlowFor(Teacher(dict(lessons())))
    async with serving_copy(learned, tmp_path, slow, audit_share=1) as gateway:
        slow.texts.update(await surest(gateway, 6))
        before = len(await rows_of(gateway))

        assert await ask(gateway, sorted(slow.texts)) == ["local"] * 6
        # As many as may be under way wait for it, and nobody else does.
        await until(lambda: slow.waiting == 2)
        # Of another language than all that was tested.
        assert await ask(gateway, ["Wo ist meine Bestellung?"]) == ["upstream"]
        assert slow.waiting == 2

        slow.go_on.set()
        await settled(gateway)
        assert len(await rows_of(gateway)) == before + 7


async def test_a_replay_from_the_cache_is_a_delivered_answer_and_audited_like_one(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=1) as gateway:
        (sure,) = await surest(gateway, 1)
        assert await ask(gateway, [sure] * 3, model="cached") == ["local", "cache", "cache"]
        await settled(gateway)
        assert teacher.asked == [sure] * 3


async def test_another_model_behind_the_upstream_suspends(learned: Path, tmp_path: Path) -> None:
    teacher = Teacher(dict(lessons()), model="far-decider-2")
    async with serving_copy(learned, tmp_path, teacher, audit_share=1) as gateway:
        await ask(gateway, TEXTS[:1])
        await settled(gateway)
        await until(lambda: not is_serving(gateway))

        assert set(await ask(gateway, TEXTS[:20])) == {"upstream"}
        (verdict,) = gateway.node.generations.current.learned.verdicts.values()
        assert verdict.state == "suspended"
        assert "far-decider-2" in verdict.reason


async def test_a_tenants_labels_do_not_reach_another_tenant(learned: Path, tmp_path: Path) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, tenants=(TENANT, "other")) as gateway:
        other = gateway.new_key("other")
        assert set(await ask(gateway, TEXTS[:20], key=other)) == {"upstream"}
        before = len(await rows_of(gateway))
        await settled(gateway)
        rows = await rows_of(gateway, Owner("intent", "other"))
        assert len(rows) == 20
        assert {row.origin for row in rows} == {"audit"}
        assert len(await rows_of(gateway)) == before


async def test_texts_are_kept_only_where_the_tenant_allows_it(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=1) as gateway:
        await ask(gateway, TEXTS[:3])
        await settled(gateway)
        assert {row.text for row in await rows_of(gateway)} == {None}


async def test_people_say_what_would_have_been_right(learned: Path, tmp_path: Path) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(
        learned, tmp_path, teacher, tenants=(TENANT, "bravo"), audit_share=0.0001
    ) as gateway:
        (sure,) = await surest(gateway, 1)
        body = {"model": "decider", "input": sure, "questions": [intent()]}
        answered = await gateway.send("decisions", body)
        assert answered.headers["x-tidegate-source"] == "local"
        await settled(gateway)
        said = {"request_id": answered.headers["x-request-id"], "task": "intent"}
        known = msgspec.json.decode(answered.body)["answers"][0]["choice"]
        wrong = next(label for label in LABELS if label != known)

        async def give(label: str, key: str | None = None, **changes: object) -> Got:
            return await gateway.send("/v1/feedback", {**said, "label": label, **changes}, key=key)

        foreign = gateway.new_key("bravo", scopes=("feedback",))
        assert (await give(wrong, gateway.new_key())).status == 403
        stolen = await give(wrong, foreign)
        unknown = await give(wrong, foreign, request_id="0" * 32)
        assert (stolen.status, unknown.status) == (404, 404)
        assert stolen.body.replace(said["request_id"].encode(), b"0" * 32) == unknown.body
        no_label = await give("nonsense")
        assert no_label.status == 400
        assert msgspec.json.decode(no_label.body)["error"]["param"] == "label"

        taken = await give(wrong)
        assert (taken.status, msgspec.json.decode(taken.body)["label"]) == (200, wrong)
        again = await give(known)
        assert (again.status, msgspec.json.decode(again.body)["error"]["code"]) == (
            409,
            "feedback_exists",
        )
        (state,) = learned_at(gateway.node.parts.paths)
        assert (state.feedback, state.reported_errors) == (1, 1)
        # It counts nowhere else: what was granted stays as it was.
        assert is_serving(gateway)


async def test_feedback_on_a_forwarded_answer_is_no_error_of_this_node(tmp_path: Path) -> None:
    fresh_state(tmp_path)
    async with scripted() as far:
        far.script = Teacher(dict(lessons()))
        async with running_gateway(learning_from(far.served.url), folder=tmp_path) as gateway:
            body = {"model": "decider", "input": TEXTS[0], "questions": [intent()]}
            answered = await gateway.send("decisions", body)
            await settled(gateway)
            said = {"request_id": answered.headers["x-request-id"], "label": LABELS[1]}
            assert (await gateway.send("/v1/feedback", said)).status == 200
            (state,) = learned_at(gateway.node.parts.paths)
            assert (state.labels, state.feedback, state.reported_errors) == (1, 1, 0)


async def surest(gateway: Gateway, count: int) -> list[str]:
    """Give texts that this node answers itself."""
    (loaded,) = gateway.node.generations.current.learned.tasks.values()
    head, novelty = loaded.bundle.head, loaded.bundle.novelty
    assert novelty is not None
    scored = []
    for text in TEXTS[:150]:
        encoding = await gateway.node.parts.encoder.encode(text)
        given = score(head, text, encoding)
        best = given.index(max(given))
        accepted = accept_score(novelty, encoding.vector, best, given[best])
        scored.append((language(text) == "en", accepted, text))
    return [text for _, _, text in sorted(scored, reverse=True)[:count]]


def records(gateway: Gateway) -> list[Record]:
    """Give all records, moved into the ledger or not."""
    paths = gateway.node.parts.paths
    with open_records(paths.ledger, paths.journal) as found:
        return list(found.tail(1_000))


async def test_traffic_of_another_kind_suspends_and_as_much_of_the_same_does_not(
    learned: Path, tmp_path: Path
) -> None:
    strange = [row.text for row in read_rows(example_folder()) if row.label not in LABELS][:150]
    assert len(strange) == 150
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=0.0001) as gateway:
        await ask(gateway, TEXTS[: len(strange)])
        await learned_all(gateway)
        assert gateway.node.parts.learning.watch.shifts.alarms == []
        assert is_serving(gateway)

        await ask(gateway, strange)
        gateway.node.parts.learning.warn()
        await learned_all(gateway)

        await until(lambda: not is_serving(gateway))
        (verdict,) = gateway.node.generations.current.learned.verdicts.values()
        assert verdict.state == "suspended"
        assert "no longer what it was tested on" in verdict.reason


async def test_answers_run_out_and_repeats_from_the_cache_count(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=0.0001) as gateway:
        learning = gateway.node.parts.learning
        (verdict,) = learning.guarantees.standing()
        learning.guarantees.save(replace(verdict, expires_after_answers=100))
        (sure,) = await surest(gateway, 1)
        assert await ask(gateway, [sure] * 10, model="cached") == ["local", *["cache"] * 9]
        await learning.tally.write()
        await learned_all(gateway)
        assert is_serving(gateway)
        (state,) = learned_at(gateway.node.parts.paths)
        # A process that is killed has counted too many: so some count already that are to come.
        assert 100 - 10 - 2 * 10 <= (state.answers_left or 0) <= 90

        await ask(gateway, [sure] * 90, model="cached")
        await learning.tally.write()
        await learned_all(gateway)

        assert await ask(gateway, [sure], model="cached") == ["upstream"]
        (ended,) = learning.guarantees.history(verdict.task, 1)
        assert (ended.state, "answers" in ended.reason) == ("expired", True)


async def test_a_suspension_does_not_wait_for_a_reload_under_way(
    learned: Path, tmp_path: Path
) -> None:
    teacher = Teacher(dict(lessons()))
    async with serving_copy(learned, tmp_path, teacher, audit_share=0.0001) as gateway:
        learning = gateway.node.parts.learning
        (verdict,) = learning.guarantees.standing()
        (sure,) = await surest(gateway, 1)
        assert await ask(gateway, [sure] * 2, model="cached") == ["local", "cache"]
        number = gateway.node.generation

        async with gateway.node._changing:
            learning.guarantees.warn(verdict.task, verdict.granted_at, "other traffic")
            assert learning.look is not None
            await learning.look()
            # Nothing could be built yet, and neither a head nor the cache answers any more.
            assert gateway.node.generation == number
            assert await ask(gateway, [sure], model="cached") == ["upstream"]
            assert await ask(gateway, [sure]) == ["upstream"]
        await until(lambda: not is_serving(gateway))
        assert gateway.node.generation > number
