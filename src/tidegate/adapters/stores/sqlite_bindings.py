"""Whose the files and batches at upstreams are, in SQLite; all workers of a node share the file.

Opened when it is first needed. A thread of its own keeps SQLite off the event loop.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tidegate.adapters.sqlite_file import Migration, open_file
from tidegate.domain.passed import Bound
from tidegate.errors import StateError
from tidegate.ports.clock import Clock

T = TypeVar("T")

MOST_ROWS = 1_000_000
"""About 100 MB; beyond it the oldest go, and what they named is nobody's any more."""

_PRUNE_EVERY = 1_000

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
    CREATE TABLE bindings (
        object_id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        upstream TEXT NOT NULL,
        surface TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        time REAL NOT NULL
    ) WITHOUT ROWID
        """,
        "CREATE INDEX bindings_time ON bindings (time)",
    ),
)


class SqliteBindings:
    """Implements `ports.Bindings`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bindings")
        self._connection: sqlite3.Connection | None = None
        self._bound = 0

    async def bind(self, object_id: str, bound: Bound) -> None:
        """Note whose an object is; the first to be noted keeps it."""
        row = (
            object_id,
            bound.tenant,
            bound.upstream,
            bound.surface,
            bound.size_bytes,
            self._clock.now(),
        )

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO bindings VALUES (?, ?, ?, ?, ?, ?)", row)
            self._bound += 1
            if self._bound % _PRUNE_EVERY == 0:
                connection.execute(
                    "DELETE FROM bindings WHERE object_id IN (SELECT object_id FROM bindings"
                    " ORDER BY time LIMIT max(0, (SELECT count(*) FROM bindings) - ?))",
                    (MOST_ROWS,),
                )

        await self._run(insert)

    async def find(self, object_id: str) -> Bound | None:
        """Tell whose an object is."""

        def select(connection: sqlite3.Connection) -> Bound | None:
            row = connection.execute(
                "SELECT tenant, upstream, surface, size_bytes FROM bindings WHERE object_id = ?",
                (object_id,),
            ).fetchone()
            return None if row is None else Bound(*row)

        return await self._run(select)

    async def forget(self, object_id: str) -> None:
        """Note that an object is gone."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM bindings WHERE object_id = ?", (object_id,))

        await self._run(delete)

    async def close(self) -> None:
        """Close the file, if it was opened."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = open_file(self._path, MIGRATIONS)
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            raise StateError(f"`{self._path}` cannot be used: {error}") from error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
