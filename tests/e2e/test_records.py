"""The journal and the ledger: one row for each request, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from tests.contract.servers import Turn
from tests.e2e.far import MODEL
from tests.e2e.harness import chat_body
from tests.e2e.tiers import Tiers, running_tiers
from tests.e2e.waiting import until
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Tiers]:
    async with running_tiers() as tiers:
        yield tiers


@pytest.fixture
def tiers(running: Tiers) -> Tiers:
    running.near.forget()
    running.far.forget()
    running.gateway.log.records.clear()
    return running


async def test_a_record_tells_who_what_where_when_and_how_much(tiers: Tiers) -> None:
    before = tiers.gateway.node.parts.clock.now()
    told = {"x-request-id": "mine-1"}
    got = await tiers.gateway.send("chat", chat_body(), headers=told)
    record = await tiers.gateway.record(got.request_id)

    assert record.request_id == got.request_id != "mine-1"
    assert record.client_request_id == "mine-1"
    assert before <= record.time <= tiers.gateway.node.parts.clock.now()
    assert (record.tenant, record.surface, record.route) == ("default", "chat", "assistant")
    assert record.key_id.startswith("k-")
    assert (record.tier, record.region, record.upstream) == ("region", "eu-central", "near")
    assert (record.model, record.generation, record.reason) == (MODEL, 1, "ordered")
    assert 0 < record.overhead_s < record.duration_s
    assert record.phases.parse_s is not None
    assert record.phases.first_byte_s is not None
    assert 0 < record.attempts[0].duration_s <= record.duration_s
    assert record.client_rtt_s is not None
    assert record.cost_micro_usd > 0
    # Nobody has told a price of this model, so it is estimated and flagged.
    assert record.cost_is_estimated


async def test_no_record_and_no_log_line_holds_text_or_keys(tiers: Tiers) -> None:
    tiers.near.script = tiers.far.script = refuses
    got = await tiers.gateway.chat("the secret words of a client")
    record = await tiers.gateway.record(got.request_id)

    shown = f"{record} {tiers.gateway.log.events}"
    assert "secret words" not in shown
    assert tiers.gateway.key not in shown


async def refuses(turn: Turn) -> None:
    await turn.answer(turn.seen.body, 500)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (chat_body(model="unheard-of"), 404, "UnknownModel"),
        ({"model": "near", "input": "x"}, 502, "NoAnswer"),
    ],
)
async def test_a_request_that_fails_has_a_record_too(
    tiers: Tiers, body: dict[str, object], status: int, error: str
) -> None:
    tiers.near.script = refuses

    got = await tiers.gateway.send("chat" if "messages" in body else "embeddings", body)
    record = await tiers.gateway.record(got.request_id)

    assert (got.status, record.status, record.error) == (status, status, error)
    assert record.cost_micro_usd == 0


async def test_the_admin_listener_shows_a_record_as_soon_as_it_is_answered(tiers: Tiers) -> None:
    got = await tiers.gateway.chat()

    shown = await tiers.gateway.admin(f"/admin/records/{got.request_id}")
    unknown = await tiers.gateway.admin("/admin/records/nothing")

    assert shown.status == 200
    assert shown.json()["request_id"] == got.request_id
    assert shown.json()["attempts"][0]["outcome"] == "ok"
    assert (unknown.status, unknown.code) == (404, "record_not_found")


async def test_every_request_has_one_record_and_one_access_line(tiers: Tiers) -> None:
    got = await asyncio.gather(*(tiers.gateway.chat(stream=bool(i % 2)) for i in range(60)))
    asked = {one.request_id for one in got}

    lines = await tiers.gateway.records(60)
    for request_id in asked:
        await tiers.gateway.record(request_id)

    assert len(asked) == 60
    assert sorted(line.request_id for line in lines) == sorted(asked)


async def test_the_journal_is_moved_into_the_ledger_without_being_asked(tiers: Tiers) -> None:
    got = await tiers.gateway.chat()

    def is_moved() -> bool:
        with closing(SqliteLedger.open_for_reading(tiers.gateway.state / "ledger.sqlite")) as seen:
            return seen.find(got.request_id) is not None

    assert await until(is_moved)


async def test_metrics_count_what_was_answered(tiers: Tiers) -> None:
    await tiers.gateway.chat()

    text = (await tiers.gateway.admin("/metrics")).body.decode()

    assert "tidegate_in_flight 0.0" in text
    assert "tidegate_journal_lost_total 0.0" in text
