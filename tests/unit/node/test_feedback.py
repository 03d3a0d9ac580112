"""Feedback on earlier answers, through the label store: whose, when, how often, which label."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.label_rows import a_label
from tests.unit.gateway.fakes import ManualClock, a_generation
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.api.failures import failure
from tidegate.domain.feedback import FeedbackCounts
from tidegate.domain.identity import Identity
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.domain.question import Option, Question
from tidegate.errors import FeedbackRefused, Forbidden, InvalidRequest
from tidegate.gateway.feedback import FeedbackDesk
from tidegate.gateway.generation import Generations
from tidegate.gateway.learned import Learned
from tidegate.node.label_keeper import LabelKeeper
from tidegate.wire.feedback import FeedbackRequest, decode_feedback

OWNER = Owner("support", "acme")
QUESTION = Question("choice", None, "What?", (Option("refund"), Option("order")))
DAY = 86_400.0
ACME = Identity("acme", "k-1", "client", frozenset({"feedback"}))


def asked(label: str | bool = "order", **changes: object) -> FeedbackRequest:
    return FeedbackRequest(**{"request_id": "r1", "label": label, **changes})  # type: ignore[arg-type]  # by name


def local(row_id: str = "r1/0") -> LabelRow:
    return a_label(row_id, origin="local", share=0.0)


class Bench:
    """A desk on a keeper with a real store."""

    def __init__(self, folder: Path) -> None:
        keys = TenantKeys(folder / "keys")
        self.keeper = LabelKeeper(
            lambda: SqliteLabels.open(folder / "labels.sqlite", keys, secret=b"s" * 32), 10
        )
        self.clock = ManualClock()
        self.desk = self.with_days(7.0)

    def with_days(self, days: float) -> FeedbackDesk:
        learned = Learned(LearnPolicy(feedback_days=days))
        generation = replace(a_generation(), learned=learned)
        return FeedbackDesk(self.clock, Generations(generation), self.keeper)

    async def counts(self) -> FeedbackCounts:
        return await self.keeper.use(lambda store: store.answers.counts(OWNER))

    async def refused(self, request: FeedbackRequest, identity: Identity = ACME) -> tuple[int, str]:
        with pytest.raises(FeedbackRefused) as caught:
            await self.desk.take(identity, request)
        return failure(caught.value).status, str(caught.value)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    await made.keeper.open()
    made.keeper.takes(OWNER, QUESTION)
    yield made
    await made.keeper.close()


async def test_a_label_for_a_local_answer_that_differs_is_a_reported_error(bench: Bench) -> None:
    bench.keeper.answered(local())
    # It is found although it waits for the disk.
    answer = await bench.desk.take(ACME, asked(source="human"))
    assert (answer.task, answer.label, answer.source) == ("support", "order", "human")
    assert await bench.counts() == FeedbackCounts(1, 1)


async def test_a_label_that_agrees_is_none(bench: Bench) -> None:
    bench.keeper.answered(local())
    await bench.desk.take(ACME, asked("refund", task="support"))
    assert await bench.counts() == FeedbackCounts(1, 0)


async def test_one_label_for_each_question_of_a_request(bench: Bench) -> None:
    bench.keeper.answered(local())
    bench.keeper.offer(a_label("r1/1"))
    await bench.desk.take(ACME, asked())
    await bench.desk.take(ACME, asked(question=1))
    assert (await bench.refused(asked("refund")))[0] == 409
    assert (await bench.refused(asked(question=1)))[0] == 409
    assert await bench.counts() == FeedbackCounts(2, 1)


async def test_another_tenant_s_request_is_as_unknown_as_any(bench: Bench) -> None:
    bench.keeper.answered(local())
    bravo = replace(ACME, tenant="bravo")
    status, message = await bench.refused(asked(), bravo)
    assert status == 404
    unknown = await bench.refused(asked(request_id="r2"), bravo)
    assert unknown == (404, message.replace("r1", "r2"))
    assert await bench.counts() == FeedbackCounts()


async def test_after_the_window_it_is_too_late(bench: Bench) -> None:
    bench.keeper.answered(local())
    bench.clock.advance(7 * DAY + 1)
    assert await bench.refused(asked()) == (
        410,
        "That request is older than 7 days; feedback on it has ended.",
    )


@pytest.mark.parametrize("label", ["reFund", True, ""])
async def test_a_label_that_the_question_has_not_is_refused_with_those_it_has(
    bench: Bench, label: str | bool
) -> None:
    bench.keeper.answered(local())
    with pytest.raises(InvalidRequest, match='not one of the question\'s: "refund", "order"') as no:
        await bench.desk.take(ACME, asked(label))
    assert no.value.param == "label"
    assert await bench.counts() == FeedbackCounts()


async def test_a_task_that_is_another_than_the_question_s_is_refused(bench: Bench) -> None:
    bench.keeper.answered(local())
    with pytest.raises(InvalidRequest, match="of the task `support`"):
        await bench.desk.take(ACME, asked(task="other"))


async def test_feedback_can_be_switched_off(bench: Bench) -> None:
    bench.keeper.answered(local())
    bench.desk = bench.with_days(0.0)
    status, message = await bench.refused(asked())
    assert (status, "feedback_days" in message) == (404, True)


async def test_where_nothing_is_learned_every_request_is_unknown(tmp_path: Path) -> None:
    idle = Bench(tmp_path)
    assert (await idle.refused(asked()))[0] == 404
    await idle.keeper.close()


def test_a_key_without_the_scope_may_not(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="feedback"):
        Bench(tmp_path).desk.admit(replace(ACME, scopes=frozenset({"decisions"})))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"label": "a"}', "request_id"),
        (b'{"request_id": "r1"}', "label"),
        (b'{"request_id": "r1", "label": 1}', "label"),
        (b'{"request_id": "r1", "label": "a", "question": -1}', "question"),
        (b'{"request_id": "r1", "label": "a", "source": "robot"}', "source"),
    ],
)
def test_what_is_malformed_is_named(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_feedback(body)
    assert caught.value.param == param
