"""Several workers under load: they share the work, change together, and one may die."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.harness import Got, chat_body, forward_to, upstream
from tests.e2e.waiting import until
from tests.e2e.workers.crew import CrewOfTwo, running_crew
from tidegate.mock.server import RunningMock, running_mock
from tidegate.mock.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mock() -> AsyncIterator[RunningMock]:
    async with running_mock(Settings(latency_ms=1)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crew(
    mock: RunningMock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CrewOfTwo]:
    async with running_crew(forward_to(mock.url), tmp_path_factory.mktemp("crew")) as running:
        yield running


async def requests_counted(crew: CrewOfTwo) -> float:
    text = (await crew.admin("/metrics")).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("tidegate_requests_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def generations(crew: CrewOfTwo) -> list[int]:
    status = (await crew.admin("/admin/status")).json()
    return [worker["generation"] for worker in status["workers"]]


async def test_both_serve_and_what_they_count_is_summed(crew: CrewOfTwo) -> None:
    before = await requests_counted(crew)
    got = await asyncio.gather(*(crew.chat() for _ in range(40)))

    assert {one.status for one in got} == {200}
    assert await requests_counted(crew) == before + 40
    journals = sorted((crew.state / "journal").glob("worker-?.jsonl"))
    assert [path.stat().st_size > 0 for path in journals] == [True, True]
    assert (await crew.record(got[-1].request_id)).request_id == got[-1].request_id


async def test_the_status_lists_them(crew: CrewOfTwo) -> None:
    status = (await crew.admin("/admin/status")).json()

    assert [one["pid"] for one in status["workers"]] == crew.pids()
    assert {one["state"] for one in status["workers"]} == {"serving"}
    assert all(one["rss_bytes"] > 0 for one in status["workers"])
    assert (status["in_flight"], status["encoder"]) == (0, "all-minilm-l6-v2")


async def test_no_request_fails_while_both_reload_under_load(
    crew: CrewOfTwo, mock: RunningMock
) -> None:
    number = crew.supervisor.generation

    async def client() -> list[Got]:
        return [await crew.chat(stream=bool(i % 2)) for i in range(10)]

    clients = [asyncio.create_task(client()) for _ in range(6)]
    told = [await crew.reload(forward_to(mock.url, deadline_s=20 + i)) for i in range(3)]
    got = [one for each in await asyncio.gather(*clients) for one in each]

    assert {one.status for one in got} == {200}
    assert [one.json()["generation"] for one in told] == [number + 1, number + 2, number + 3]
    assert await generations(crew) == [number + 3] * 2


async def test_a_bad_reload_leaves_both_on_what_they_had(
    crew: CrewOfTwo, mock: RunningMock
) -> None:
    number = crew.supervisor.generation
    # Two ways to be wrong: the supervisor sees the one, only workers see the other.
    broken = {"upstreams": [upstream("central", mock.url, kind="no such")], "routes": []}
    gone = {"support": {"unguaranteed": True, "threshold": 0.5, "bundle_version": "1-0a1b2c3d4e5f"}}
    for config in (broken, {**forward_to(mock.url), "tasks": gone}):
        refused = await crew.reload(config)

        assert (refused.status, await generations(crew)) == (422, [number] * 2)
        assert (await crew.admin("/admin/status")).json()["reload_error"]
        ready = [(await crew.send("/readyz")).json() for _ in range(8)]
        assert {one["parts"]["config"] for one in ready} == {"the last reload was refused"}
        assert (await crew.chat()).status == 200

    crew.configure(forward_to(mock.url))
    assert (await crew.admin("/admin/reload", method="POST")).json()["generation"] == number + 1
    assert (await crew.send("/readyz")).json()["parts"]["config"] == "ok"


async def test_a_rebuild_reaches_both_and_leaves_the_file_alone(
    crew: CrewOfTwo, mock: RunningMock
) -> None:
    number = crew.supervisor.generation
    crew.config_file.write_text("half-written: [")
    await crew.supervisor.rebuild("guarantee suspended")

    assert await generations(crew) == [number + 1] * 2
    assert (await crew.chat()).status == 200
    crew.configure(forward_to(mock.url))


async def test_a_worker_that_does_not_follow_a_rebuild_is_replaced(crew: CrewOfTwo) -> None:
    member = crew.supervisor.members[1]
    starts = member.starts
    os.kill(crew.pids()[1], signal.SIGSTOP)
    await crew.supervisor.rebuild("guarantee suspended")
    lost = [fields for name, fields in crew.log.events if name == "worker.lost"]
    await until(lambda: member.starts > starts and crew.serving() == 2)

    assert lost[-1]["worker"] == 1
    assert await generations(crew) == [crew.supervisor.generation] * 2


async def test_a_killed_worker_comes_back_and_every_answer_is_recorded_once(
    crew: CrewOfTwo,
) -> None:
    counted = await requests_counted(crew)
    ids: list[str] = []

    async def client() -> None:
        for i in range(30):
            # What the killed worker had under way is lost with it; the client sees a closed line.
            with contextlib.suppress(aiohttp.ClientError):
                answer = await crew.send("chat", chat_body(stream=bool(i % 2)))
                assert answer.status == 200
                ids.append(answer.request_id)

    clients = [asyncio.create_task(client()) for _ in range(6)]
    await until(lambda: len(ids) >= 30)
    await crew.kill(0)
    await asyncio.gather(*clients)
    stored = await crew.answered(set(ids))

    assert len(ids) >= 170
    assert len(stored) == len(set(stored))
    assert await requests_counted(crew) >= counted
    status = (await crew.admin("/admin/status")).json()
    assert status["workers"][0]["restarts"] >= 1
    parts = (await crew.send("/readyz")).json()["parts"]
    assert (parts["journal"], [one for one in parts if one.startswith("worker")]) == ("ok", [])


async def test_a_worker_told_to_end_by_name_lets_its_stream_end(crew: CrewOfTwo) -> None:
    await crew.kill(1, signal.SIGTERM)

    assert (await crew.chat()).status == 200
    assert not crew.failures
