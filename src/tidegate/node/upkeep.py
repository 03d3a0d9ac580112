"""What a node does beside requests: moves the journal, follows the key file, prunes the ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tidegate.adapters.stores.journal_mover import JournalMover
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.domain.record import Record
from tidegate.errors import TidegateError
from tidegate.ports.clock import Clock
from tidegate.ports.log import Log

T = TypeVar("T")

MOVE_EVERY_S = 0.5
KEYS_EVERY_S = 0.5
PRUNE_EVERY_S = 3600.0


class LedgerKeeper:
    """The ledger in a thread of its own: SQLite never holds up a request."""

    def __init__(self, ledger: Path, journal: Path, clock: Clock) -> None:
        """Nothing is opened yet."""
        self._path = ledger
        self._journal = journal
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._ledger: SqliteLedger | None = None
        self._mover: JournalMover | None = None

    async def open(self) -> None:
        """Open the ledger and replay what an earlier process left in its journal."""
        await self._run(self._open)

    async def move(self) -> None:
        """Move finished lines of the journal into the ledger."""
        if self._mover is not None:
            await self._run(self._mover.move)

    async def prune(self, days: float, rows: int) -> None:
        """Drop records beyond the retention."""
        if self._ledger is not None:
            ledger = self._ledger
            await self._run(lambda: ledger.prune(self._clock.now(), days=days, rows=rows))

    async def find(self, request_id: str) -> Record | None:
        """Give one record, moved or still in the journal."""
        ledger = self._ledger
        if ledger is None:
            return None
        await self.move()
        return await self._run(lambda: ledger.find(request_id))

    async def close(self) -> None:
        """Move what is left and close; works after a half-done `open`."""
        try:
            await self.move()
        finally:
            if self._ledger is not None:
                await self._run(self._ledger.close)
            self._thread.shutdown()

    def _open(self) -> None:
        self._ledger = SqliteLedger.open(self._path)
        self._mover = JournalMover(self._journal, self._ledger)
        self._mover.move()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Upkeep:
    """Runs background work until it is stopped; what fails is logged and tried again."""

    def __init__(self, log: Log) -> None:
        """Nothing runs yet."""
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` again and again, with a pause between; `stop` ends it."""
        self._tasks.append(asyncio.create_task(self._repeat(seconds, name, work), name=name))

    async def stop(self) -> None:
        """Cancel all background work and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _repeat(self, seconds: float, name: str, work: Callable[[], Awaitable[None]]) -> None:
        last: str | None = None
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
                last = None
            except Exception as error:  # noqa: BLE001
                # The background edge: one failed round must not end the work for good.
                shown = str(error) if isinstance(error, TidegateError) else type(error).__name__
                if shown != last:
                    self._log.event("upkeep.failed", work=name, error=shown)
                last = shown
