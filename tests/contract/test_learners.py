"""A task's learner as other nodes reach it: over HTTP a real node, and the fake."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.e2e.harness import TENANT, running_gateway
from tests.e2e.teacher import fresh_state, learning_from
from tests.label_rows import a_label
from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.learners.in_memory import MemoryLearner
from tidegate.adapters.learners.over_http import LearnerOverHttp
from tidegate.adapters.upstream_settings import EnvironmentProxies, UpstreamSettings
from tidegate.bundles.fingerprint import fingerprint
from tidegate.config.load import load
from tidegate.domain.exchange import AuditCount, AuditReport, Offers, SharedKeys
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Question
from tidegate.domain.secret import Secret
from tidegate.errors import UpstreamStatus
from tidegate.ports.exchange import TaskLearner

OWNER = Owner("intent", TENANT)


class Case:
    """A learner, and what it takes."""

    def __init__(self, learner: TaskLearner, question: Question, row: LabelRow) -> None:
        self.learner, self.question, self.row = learner, question, row


@pytest_asyncio.fixture(params=["over http", "in memory"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    fresh_state(tmp_path)
    config = learning_from("http://127.0.0.1:9/v1")
    async with running_gateway(config, folder=tmp_path) as hub:
        encoder = hub.node.parts.encoder
        (task,) = load(hub.config_file, {}).tasks
        assert task.question is not None
        row = replace(
            a_label("r1/0", owner=OWNER, tenant=TENANT, label="order_status"),
            question=fingerprint(task.question) or "",
            probabilities=(),
            group=b"g" * 16,
            cluster=b"c" * 16,
            encoder=encoder.fingerprint,
            vector=np.full(encoder.dimensions, 0.05, dtype=np.float32),
            time=hub.node.parts.clock.now() - 10.0,
        )
        if request.param == "in memory":
            keys = SharedKeys(b"g" * 32, b"r" * 32, b"u" * 32)
            fake = MemoryLearner(Offers(encoder.fingerprint, "eu", keys, ()))
            yield Case(fake, task.question, row)
            return
        settings = UpstreamSettings(
            name="hub", base_url=f"{hub.base_url}/v1", tier="region", region="eu", zone="eu"
        )
        learner = LearnerOverHttp(
            "hub",
            secret=Secret(hub.new_key(role="node", scopes=("learn",)), "a test's"),
            http=HttptoolsClient(settings, EnvironmentProxies()),
            clock=SystemClock(),
        )
        yield Case(learner, task.question, row)
        await learner.close()


async def test_offers_come_once_until_there_are_others(case: Case) -> None:
    found = await case.learner.offers("eu", None)
    assert found is not None
    offers, tag = found
    assert (offers.encoder, offers.zone) == (case.row.encoder, "eu")
    assert offers.keys is not None
    assert await case.learner.offers("eu", tag) is None
    again = await case.learner.offers("eu", "another")
    assert again == found


async def test_rows_are_stored_once(case: Case) -> None:
    other = replace(case.row, row_id="r2/0")
    assert await case.learner.take_labels(OWNER, case.question, [case.row]) == 1
    assert await case.learner.take_labels(OWNER, case.question, [case.row, other]) == 1
    assert await case.learner.take_labels(OWNER, case.question, [case.row, other]) == 0


async def test_counts_and_purges_are_taken_again_without_complaint(case: Case) -> None:
    count = AuditCount("b" * 64, 7.0, "language=en", seen=3, accepted=2, disagreed=1)
    report = AuditReport("report-1", OWNER, (count,))
    for _ in range(2):
        await case.learner.take_counts(TENANT, report, case.question)
        await case.learner.purge(TENANT, Purge(TENANT, before=1.0))


async def test_a_bundle_that_is_not_there_is_refused(case: Case) -> None:
    with pytest.raises(UpstreamStatus) as refused:
        await case.learner.bundle("eu", OWNER.key, "1-0a1b2c3d4e5f")
    assert refused.value.status == 404
