"""The ledger in SQLite: records that left the journal, to be found, listed and summed.

Rows enter only in one transaction with the journal position they came from, so a replay after a
crash brings each record exactly once.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec

from tidegate.adapters.sqlite_file import Migration, open_file, open_for_reading
from tidegate.domain.record import Record
from tidegate.errors import StateError
from tidegate.ports.records import Total
from tidegate.wire import journal

RETENTION_DAYS = 30.0
RETENTION_ROWS = 1_000_000
"""About 1.5 GB of file with records of one attempt."""

GROUPS = ("source", "tier", "tenant", "model", "upstream", "surface")

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
    CREATE TABLE records (
        number INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL UNIQUE,
        time REAL NOT NULL,
        tenant TEXT NOT NULL,
        surface TEXT NOT NULL,
        source TEXT,
        tier TEXT,
        upstream TEXT,
        model TEXT,
        status INTEGER NOT NULL,
        duration_s REAL NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cost_micro_usd INTEGER NOT NULL,
        is_estimated INTEGER NOT NULL,
        line BLOB NOT NULL
    )
        """,
        "CREATE INDEX records_time ON records (time)",
        "CREATE TABLE journals (journal TEXT PRIMARY KEY, offset INTEGER NOT NULL)",
    ),
)

_LARGEST = 2**53
"""Bounds what an absurd upstream may report, so that a row can be stored and summed."""

_INSERT = """
    INSERT OR IGNORE INTO {table} (
        request_id, time, tenant, surface, source, tier, upstream, model, status, duration_s,
        input_tokens, output_tokens, cost_micro_usd, is_estimated, line
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_EVERYTHING = """
    CREATE TEMP VIEW everything AS
    SELECT * FROM main.records
    UNION ALL
    SELECT * FROM temp.fresh WHERE request_id NOT IN (SELECT request_id FROM main.records)
"""

# Quantiles by nearest rank, as `statistics/quantiles.py` has them: the ceil(q * n)-th smallest.
_TOTALS = """
    WITH chosen AS (
        SELECT coalesce({group}, '-') AS name,
            status >= 400 OR json_extract(line, '$.error') IS NOT NULL AS failed,
            input_tokens, output_tokens, cost_micro_usd, is_estimated, duration_s,
            row_number() OVER (PARTITION BY coalesce({group}, '-') ORDER BY duration_s) AS rank,
            count(*) OVER (PARTITION BY coalesce({group}, '-')) AS size
        FROM everything WHERE time >= ?
    )
    SELECT name, count(*), sum(failed), sum(input_tokens), sum(output_tokens),
        sum(cost_micro_usd), sum(is_estimated),
        max(CASE WHEN rank = (size * 50 + 99) / 100 THEN duration_s END),
        max(CASE WHEN rank = (size * 99 + 99) / 100 THEN duration_s END)
    FROM chosen GROUP BY name ORDER BY count(*) DESC, name
"""


class SqliteLedger:
    """Implements `ports.Ledger` and takes rows from the journal's mover; safe between threads."""

    def __init__(self, connection: sqlite3.Connection, *, fresh: Iterable[Record] = ()) -> None:
        """Call `open` or `open_for_reading`; `fresh` records are read as if they were moved."""
        self._connection = connection
        self._turn = threading.Lock()
        connection.execute("CREATE TEMP TABLE fresh AS SELECT * FROM main.records WHERE 0")
        connection.execute("CREATE UNIQUE INDEX temp.fresh_id ON fresh (request_id)")
        connection.executemany(
            _INSERT.format(table="temp.fresh"),
            [_row(record, journal.encode(record)) for record in fresh],
        )
        connection.execute(_EVERYTHING)

    @classmethod
    def open(cls, path: Path, *, migrations: Sequence[Migration] = MIGRATIONS) -> Self:
        """Open for the node that owns the file; raises StateError."""
        return cls(open_file(path, migrations))

    @classmethod
    def open_for_reading(cls, path: Path, *, fresh: Iterable[Record] = ()) -> Self:
        """Open beside a running node, or without one; raises StateError."""
        return cls(open_for_reading(path, MIGRATIONS), fresh=fresh)

    def close(self) -> None:
        """Close the file; a writer folds its WAL into it."""
        with self._turn:
            self._connection.close()

    def position(self, journal_id: str) -> int:
        """Tell up to which byte a journal file has been moved."""
        with self._using() as connection:
            row = connection.execute(
                "SELECT offset FROM journals WHERE journal = ?", (journal_id,)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def insert(
        self,
        records: Sequence[Record],
        journal_id: str,
        offset: int,
        raw: Sequence[bytes] | None = None,
    ) -> None:
        """Take rows and the position behind them in one transaction; raises StateError.

        `raw` gives the records as lines, where they are at hand: encoding anew takes longer.
        """
        lines = [journal.encode(record) for record in records] if raw is None else raw
        rows = [_row(record, line) for record, line in zip(records, lines, strict=True)]
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT.format(table="main.records"), rows)
            connection.execute(
                "INSERT INTO journals VALUES (?, ?)"
                " ON CONFLICT (journal) DO UPDATE SET offset = excluded.offset",
                (journal_id, offset),
            )
            connection.execute("COMMIT")

    def forget(self, journal_id: str) -> None:
        """Drop the position of a journal file that is gone."""
        with self._using() as connection:
            connection.execute("DELETE FROM journals WHERE journal = ?", (journal_id,))

    def prune(self, now: float, *, days: float = RETENTION_DAYS, rows: int = RETENTION_ROWS) -> int:
        """Delete what is older or beyond the newest `rows`; gives the number of rows deleted."""
        with self._using() as connection:
            return connection.execute(
                "DELETE FROM main.records WHERE time < ?"
                " OR number <= (SELECT max(number) FROM main.records) - ?",
                (now - days * 86_400.0, rows),
            ).rowcount

    def saved(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Give, by task and tenant, the decisions answered here and what they saved in micro-USD.

        Saved is the price at the farthest tier of the route, where known, less what was paid.
        """
        found = self._connection.execute(
            """
            SELECT json_extract(line, '$.task') AS task, tenant, count(*),
                sum(coalesce(json_extract(line, '$.central_cost_micro_usd')
                    - cost_micro_usd, 0))
            FROM everything WHERE source = 'local' AND surface = 'decisions'
            GROUP BY task, tenant
            """
        )
        return {(task, tenant): (count, saved or 0) for task, tenant, count, saved in found}

    def tail(self, count: int) -> Sequence[Record]:
        """Give the newest records, oldest of them first."""
        with self._using() as connection:
            found = connection.execute(
                "SELECT line FROM everything ORDER BY time DESC LIMIT ?", (count,)
            ).fetchall()
        return tuple(_record(line) for (line,) in reversed(found))

    def find(self, request_id: str) -> Record | None:
        """Give one record, or None."""
        with self._using() as connection:
            found = connection.execute(
                "SELECT line FROM everything WHERE request_id = ?", (request_id,)
            ).fetchone()
        return None if found is None else _record(found[0])

    def totals(self, by: str, since: float | None = None) -> Sequence[Total]:
        """Sum by one of GROUPS, largest group first; `-` is the group without a value."""
        if by not in GROUPS:
            raise StateError(f"Records cannot be summed by {by!r}; choose {', '.join(GROUPS)}")
        with self._using() as connection:
            rows = connection.execute(_TOTALS.format(group=by), (since or 0.0,)).fetchall()
        return tuple(Total(*row) for row in rows)

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread at a time; roll back and translate what fails."""
        with self._turn:
            try:
                yield self._connection
            except sqlite3.Error as error:
                # Without a transaction, or on a closed file, there is nothing to roll back.
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise StateError(
                    f"The ledger cannot be used: {error}. What it has not taken stays in the"
                    " journal; check the space left on the disk"
                ) from error


def _record(line: bytes) -> Record:
    try:
        return journal.decode(line)
    except msgspec.DecodeError as error:
        raise StateError(
            f"The ledger holds a record that this version cannot read ({error});"
            " use the version that wrote it"
        ) from error


def _row(record: Record, line: bytes) -> tuple[str | float | bytes | None, ...]:
    return (
        record.request_id,
        record.time,
        record.tenant,
        record.surface,
        record.source,
        record.tier,
        record.upstream,
        record.model,
        record.status,
        record.duration_s,
        min(record.input_tokens, _LARGEST),
        min(record.output_tokens, _LARGEST),
        min(record.cost_micro_usd, _LARGEST),
        int(record.usage_is_estimated or record.cost_is_estimated),
        line,
    )
