"""A node of two workers: the supervisor in this process, the workers in theirs."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import cast

import aiohttp

from tests.e2e.harness import ALL_SCOPES, Config, Gateway, add_key, write_config
from tests.e2e.waiting import until
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.config.configuration import Configuration
from tidegate.config.load import load
from tidegate.errors import TidegateError
from tidegate.node.node import Node
from tidegate.supervisor.supervisor import Crew, Supervisor, running_supervisor


class CrewOfTwo(Gateway):
    """The client side of a node of two workers, and its supervisor."""

    supervisor: Supervisor
    failures: list[TidegateError]

    def pids(self) -> list[int]:
        """Give the process of each worker."""
        return [member.pid or 0 for member in self.supervisor.members]

    def serving(self) -> int:
        """Count the workers that serve."""
        return sum(member.state == "serving" for member in self.supervisor.members)

    async def kill(self, worker: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one worker and wait until another process has taken its place."""
        member = self.supervisor.members[worker]
        before = member.starts
        os.kill(self.pids()[worker], how)
        await until(lambda: member.starts > before and self.serving() == 2)

    async def answered(self, ids: set[str]) -> list[str]:
        """Give all ids in the ledger, once these are there."""

        def found() -> list[str] | None:
            ledger = SqliteLedger.open_for_reading(self.state / "ledger.sqlite")
            with closing(ledger):
                stored = [record.request_id for record in ledger.tail(1_000_000)]
            return stored if ids <= set(stored) else None

        return await until(found)


@asynccontextmanager
async def running_crew(config: Config, folder: Path) -> AsyncIterator[CrewOfTwo]:
    """Run it for the length of a block."""
    file = folder / "tidegate.yaml"
    write_config(file, config)
    key = add_key(folder / "state", scopes=ALL_SCOPES)
    log = MemoryLog()
    failures: list[TidegateError] = []

    def reread() -> Configuration:
        return load(file, {})

    crew = Crew(2, "json", failures.append)
    async with AsyncExitStack() as stack:
        supervisor = await stack.enter_async_context(
            running_supervisor(reread(), folder / "state", log, reread, crew)
        )
        token = (folder / "state" / "admin.token").read_text(encoding="ascii").strip()
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))
        )
        # Of the node a client side asks for its ports only.
        node = cast(Node, supervisor)
        made = CrewOfTwo(node, folder, log, http, key, token, reread)
        made.supervisor, made.failures = supervisor, failures
        yield made
