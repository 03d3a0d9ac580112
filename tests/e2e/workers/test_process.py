"""`tidegate run --workers 2` as processes: signals, and a supervisor that dies."""

import asyncio
import fcntl
import os
import signal
import socket
from pathlib import Path
from typing import BinaryIO

from tests.contract.servers import Turn
from tests.e2e.child import running_child, start
from tests.e2e.far import DONE, FINISH, ROLE, delta
from tests.e2e.harness import chat_body, forward_to, write_config
from tests.e2e.test_process import answered
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until
from tidegate.mock.server import running_mock
from tidegate.mock.settings import Settings


async def test_sigterm_lets_a_stream_end_and_takes_no_more(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def waits(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(ROLE + delta("Hi"))
        await go_on.wait()
        await turn.chunk(FINISH + DONE)
        await turn.end_stream()

    async with scripted() as far:
        config = {**forward_to(far.served.url), "workers": 2}
        async with running_child(config, tmp_path) as child:
            far.script = waits
            async with child.opened(chat_body(stream=True)) as response:
                await response.content.readuntil(delta("Hi"))
                child.signal(signal.SIGTERM)
                stopping = await child.logged("node.stopping")
                await until(child.refuses_connections)
                go_on.set()
                rest = await response.content.read()

            assert rest.endswith(DONE)
            assert stopping["in_flight"] == 1
            assert await child.ended() == 0
            assert "worker.lost" not in [line["event"] for line in child.lines]
    assert len(answered(tmp_path)) == 1


async def test_workers_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    async with running_mock(Settings(latency_ms=1)) as mock:
        async with running_child({**forward_to(mock.url), "workers": 2}, tmp_path) as child:
            ids = {(await child.chat()).request_id for _ in range(20)}
            status = (await child.admin("/admin/status")).json()
            pids = [one["pid"] for one in status["workers"]]
            child.signal(signal.SIGKILL)
            await child.ended()
            await until(lambda: not any(is_alive(pid) for pid in pids))
            assert await child.refuses_connections()
        # One process after several: it finds what both of them have left.
        async with running_child(forward_to(mock.url), tmp_path) as child:
            child.signal(signal.SIGTERM)
            await child.ended()

    stored = answered(tmp_path)
    assert sorted(stored) == sorted(ids)


async def test_a_worker_that_cannot_be_started_again_ends_the_node_with_the_reason(
    tmp_path: Path,
) -> None:
    async with running_child({"workers": 2}, tmp_path) as child:
        pids = [one["pid"] for one in (await child.admin("/admin/status")).json()["workers"]]
        os.kill(pids[0], signal.SIGKILL)
        with (tmp_path / "state" / "journal" / "worker-0.lock").open("rb") as lock:
            await until(lambda: is_locked(lock))

            assert await child.ended() == 1
        assert "is in use by" in (await child.logged("worker.failed"))["error"]


async def test_a_taken_port_ends_it_with_2_and_names_the_option(tmp_path: Path) -> None:
    write_config(tmp_path / "tidegate.yaml", {})
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = await start(tmp_path, "--port", port, "--workers", "2")
        _, error = await process.communicate()

    assert process.returncode == 2
    assert b"--port" in error


def is_locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] != "Z"
    except FileNotFoundError:
        return False
