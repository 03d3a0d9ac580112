"""What a learner believes of other nodes: nothing that it can check itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.guarantees import a_guarantee
from tests.label_rows import a_label
from tests.unit.gateway.fakes import ManualClock
from tidegate.bundles.fingerprint import fingerprint
from tidegate.domain.exchange import AuditReport
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.identity import Identity
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.domain.question import Option, Question
from tidegate.domain.task import Task
from tidegate.errors import ExchangeRefused, InvalidRequest, UnknownObject
from tidegate.fleet.learner_desk import Known, LearnerDesk
from tidegate.learning.audit import derive, role
from tidegate.wire.exchange import (
    CountBody,
    CountsBody,
    LabelsBody,
    PurgeBody,
    decode_labels,
    decode_offers,
    encode_labels,
)

KEYS = derive(b"p" * 32)
OWNER = Owner("support", "acme")
QUESTION = Question("choice", None, "What?", (Option("refund"), Option("other")))
PRINT = fingerprint(QUESTION) or ""
NODE = Identity("acme", "k1", "node", frozenset({"learn"}))
NOW = 1_800_000_100.0
VERDICT = a_guarantee(task=OWNER.key, audit_share=0.02, audit_stratum=1)


class Intake:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[LabelRow] = []
        self.reports: list[AuditReport] = []
        self.purges: list[Purge] = []
        self.has_room = True

    def takes(self, owner: Owner, question: Question) -> bool:
        del owner, question
        return self.has_room

    async def receive(self, owner: Owner, question: Question, rows: Sequence[LabelRow]) -> int:
        assert {row.owner for row in rows} == {owner}
        assert question.instructions
        self.rows += rows
        return len(rows)

    async def count(self, report: AuditReport, question: Question) -> bool:
        del question
        self.reports.append(report)
        return True

    async def purge(self, purge: Purge) -> int:
        self.purges.append(purge)
        return 3


class NoArchives:
    async def archive(self, name: str, version: str) -> bytes:
        return f"{name} {version}".encode()


def desk(verdict: Guarantee | None = None, **changes: Any) -> tuple[LearnerDesk, Intake]:
    known = Known(
        policy=LearnPolicy(tasks={PRINT: Task("support", "support", QUESTION)}),
        verdicts={} if verdict is None else {OWNER: verdict},
        questions={OWNER: QUESTION},
        encoder="e" * 64,
        dimensions=4,
        zone="eu",
        bundle_zones=frozenset({"ch"}),
        generation=7,
        learns=True,
    )
    intake = Intake()
    given = replace(known, **changes)
    return LearnerDesk(ManualClock(wall=NOW), KEYS, lambda: given, intake, NoArchives()), intake


def batch(**changes: Any) -> LabelsBody:
    row = a_label(group=b"g" * 16, cluster=b"c" * 16, **changes)
    return decode_labels(encode_labels(OWNER, QUESTION, [row]))


async def test_a_row_is_what_can_be_checked_here() -> None:
    served, intake = desk()
    taken = await served.take_labels(NODE, batch(time=NOW + 60.0, text="Secret", role="fit"))
    (row,) = intake.rows
    assert taken.new == 1
    assert (row.owner, row.tenant, row.question) == (OWNER, "acme", PRINT)
    assert row.role == role(KEYS, b"g" * 16)
    # No younger than now, and no text of a tenant that did not allow it here.
    assert (row.time, row.text, row.generation) == (NOW, None, 7)
    assert np.array_equal(row.vector, a_label().vector)


async def test_whose_rows_they_are_follows_from_the_key() -> None:
    served, intake = desk()
    await served.take_labels(replace(NODE, tenant="bravo"), batch(tenant="acme"))
    (row,) = intake.rows
    assert (row.tenant, row.owner) == ("bravo", Owner("support", "bravo"))


async def test_rows_of_another_sample_only_fit() -> None:
    served, intake = desk(VERDICT)
    await served.take_labels(NODE, batch(stratum=1, share=0.02))
    await served.take_labels(NODE, batch(stratum=1, share=1.0))
    assert [row.origin for row in intake.rows] == ["audit", "escalated"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"encoder": "f" * 64}, "encoder"),
        ({"learns": False}, "unknown"),
        ({"policy": LearnPolicy()}, "unknown"),
        ({"zone": "us"}, "zone"),
        (
            {
                "policy": LearnPolicy(
                    tasks={PRINT: Task("support", "support", QUESTION)}, role="collect"
                )
            },
            "unknown",
        ),
        (
            {"policy": LearnPolicy(tasks={"0" * 64: Task("support", "support", QUESTION)})},
            "question",
        ),
    ],
)
async def test_what_does_not_fit_this_node_is_refused(changes: dict[str, Any], reason: str) -> None:
    served, intake = desk(**changes)
    with pytest.raises(ExchangeRefused) as refused:
        await served.take_labels(NODE, batch())
    assert refused.value.reason == reason
    assert intake.rows == []


async def test_the_number_of_tasks_is_bounded() -> None:
    served, intake = desk()
    intake.has_room = False
    with pytest.raises(ExchangeRefused, match="automatic_tasks"):
        await served.take_labels(NODE, batch())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"label": "nonsense"}, "rows[0].label"),
        ({"label": True}, "rows[0].label"),
        ({"vector": b"xx"}, "rows[0].vector"),
        ({"grams": b"xxx"}, "rows[0].vector"),
        ({"vector": np.array([np.nan] * 4, "<f2").tobytes()}, "rows[0].vector"),
        ({"probabilities": (0.1, 0.2, 0.7)}, "rows[0].probabilities"),
    ],
)
async def test_a_row_that_cannot_be_is_refused(fields: dict[str, Any], param: str) -> None:
    served, intake = desk()
    body = batch()
    (row,) = body.rows
    wrong = msgspec.structs.replace(body, rows=(msgspec.structs.replace(row, **fields),))
    with pytest.raises(InvalidRequest) as refused:
        await served.take_labels(NODE, wrong)
    assert refused.value.param == param
    assert intake.rows == []


def counts(**changes: int) -> CountsBody:
    numbers = {"seen": 5, "accepted": 4, "disagreed": 1, **changes}
    count = CountBody(bundle="b", granted_at=1.0, stratum="language=en", **numbers)
    return CountsBody(id="report-1", task="support", question=QUESTION, counts=(count,))


async def test_counts_have_to_add_up() -> None:
    served, intake = desk()
    assert (await served.take_counts(NODE, counts())).is_new
    for wrong in (counts(accepted=6), counts(disagreed=5)):
        with pytest.raises(InvalidRequest):
            await served.take_counts(NODE, wrong)
    assert [(one.report_id, one.owner) for one in intake.reports] == [("report-1", OWNER)]


async def test_a_purge_is_of_the_tenant_of_the_key() -> None:
    served, intake = desk()
    done = await served.purge(NODE, PurgeBody(user=b"u" * 16, before=9.0))
    assert done.rows == 3
    assert intake.purges == [Purge("acme", b"u" * 16, 9.0)]


@pytest.mark.parametrize(("zone", "has_keys"), [("eu", True), ("ch", False)])
async def test_keys_go_to_nodes_that_may_send(zone: str, *, has_keys: bool) -> None:
    served, _ = desk(VERDICT)
    body, tag = served.offers(zone)
    offers = decode_offers(body)
    assert (offers.keys is not None) is has_keys
    assert [(one.owner, one.guarantee) for one in offers.tasks] == [(OWNER, VERDICT)]
    assert served.offers(zone) == (body, tag)
    other, _ = desk(replace(VERDICT, state="suspended"))
    assert other.offers(zone)[1] != tag


async def test_other_zones_get_nothing() -> None:
    served, _ = desk()
    with pytest.raises(ExchangeRefused, match="bundle_zones"):
        served.offers("us")
    with pytest.raises(ExchangeRefused):
        await served.bundle("us", OWNER.key, "1-0a1b2c3d4e5f")


async def test_only_learned_bundles_are_given() -> None:
    served, _ = desk()
    assert await served.bundle("eu", OWNER.key, "1-a") == b"support.acme 1-a"
    with pytest.raises(UnknownObject):
        await served.bundle("eu", "trained-from-a-file", "1-a")
