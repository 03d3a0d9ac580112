"""What waits to go to a task's learner, and what came from others: beside the labels, in one file.

A row is on the list from the moment it is stored until the learner has it, so a crash between the
two loses nothing. Counts of audits are written down as a report in the same step that takes their
rows off the list, and are sent until they are taken: each is counted once.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import msgspec

from tidegate.adapters.label_codec import COLUMNS, RowCodec
from tidegate.domain.exchange import AuditCount, AuditReport, SharedKeys, Waiting
from tidegate.domain.label import LabelRow, Owner, Purge

TABLES = (
    "CREATE TABLE outbox (row_id TEXT PRIMARY KEY, hashed_for TEXT NOT NULL)",
    "CREATE TABLE reports (report_id TEXT PRIMARY KEY, content BLOB NOT NULL)",
    """
    CREATE TABLE audits (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        report_id TEXT NOT NULL,
        task TEXT NOT NULL,
        owner TEXT NOT NULL,
        after_row INTEGER NOT NULL,
        bundle TEXT NOT NULL,
        granted_at REAL NOT NULL,
        stratum TEXT NOT NULL,
        seen INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        disagreed INTEGER NOT NULL
    )
    """,
    "CREATE INDEX audits_report ON audits (report_id)",
    "CREATE INDEX audits_owner ON audits (task, owner, granted_at)",
    """
    CREATE TABLE learner (
        place INTEGER PRIMARY KEY CHECK (place = 0),
        group_key BLOB NOT NULL,
        role_key BLOB NOT NULL,
        user_key BLOB NOT NULL
    )
    """,
    "CREATE TABLE dropped (place INTEGER PRIMARY KEY CHECK (place = 0), count INTEGER NOT NULL)",
)

MOST_COUNTS = 100_000
"""Lines that are kept of what other nodes counted: 10 MB."""

PURGES = (
    """
    CREATE TABLE purges (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant TEXT NOT NULL,
        user BLOB,
        before REAL NOT NULL
    )
    """,
)

FOREIGN = ("CREATE TABLE foreign_rows (row_id TEXT PRIMARY KEY)",)
"""Rows whose hashes are under another node's keys: their roles are not those given here."""

_REPORT = msgspec.json.Decoder(AuditReport).decode
_GONE = "SELECT row_id FROM outbox EXCEPT SELECT row_id FROM labels"


class LabelOutbox:
    """The part of a label store that meets other nodes."""

    def __init__(
        self,
        select: Callable[[str, Sequence[object]], sqlite3.Cursor],
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        codec: RowCodec,
    ) -> None:
        """`select` and `transaction` are the store's, and raise StateError."""
        self._select = select
        self._transaction = transaction
        self._codec = codec

    def put(self, connection: sqlite3.Connection, rows: Sequence[LabelRow]) -> None:
        """List the rows that are for a learner, in the transaction that stores them."""
        connection.executemany(
            "INSERT OR IGNORE INTO outbox VALUES (?, ?)",
            [(row.row_id, row.hashed_for) for row in rows if row.hashed_for is not None],
        )
        connection.executemany(
            "INSERT OR IGNORE INTO foreign_rows VALUES (?)",
            [(row.row_id,) for row in rows if row.hashed_for],
        )

    def has_foreign(self, owner: Owner) -> bool:
        """Tell whether rows of an owner are hashed under another node's keys."""
        found = self._select(
            "SELECT 1 FROM foreign_rows JOIN labels USING (row_id)"
            " WHERE labels.task = ? AND labels.owner = ? LIMIT 1",
            (owner.task, owner.tenant),
        )
        return found.fetchone() is not None

    def waiting(self, most: int, *, but: Sequence[tuple[str, str]] = ()) -> list[Waiting]:
        """Give the oldest rows that wait, but for those of these tasks and tenants."""
        names = ", ".join(f"labels.{name.strip()}" for name in COLUMNS.split(","))
        others = " AND NOT (labels.task = ? AND labels.tenant = ?)" * len(but)
        found = self._select(
            f"SELECT {names}, outbox.hashed_for FROM outbox"  # noqa: S608 - made of constants
            f" JOIN labels USING (row_id) WHERE TRUE{others} ORDER BY labels.number LIMIT ?",
            (*(value for pair in but for value in pair), most),
        )
        return [Waiting(self._codec.row(row), hashed_for) for *row, hashed_for in found]

    def size(self) -> int:
        """Count the rows that wait."""
        [(count,)] = self._select("SELECT count(*) FROM outbox", ()).fetchall()
        return int(count)

    def done(self, row_ids: Sequence[str], report: AuditReport | None = None) -> None:
        """Take rows off the list, and write down the counts that go in their place."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM outbox WHERE row_id = ?", [(row_id,) for row_id in row_ids]
            )
            if report is not None:
                connection.execute(
                    "INSERT INTO reports VALUES (?, ?)",
                    (report.report_id, msgspec.json.encode(report)),
                )

    def reports(self, most: int) -> list[AuditReport]:
        """Give the reports that wait, oldest first."""
        found = self._select("SELECT content FROM reports ORDER BY rowid LIMIT ?", (most,))
        return [_REPORT(content) for (content,) in found]

    def reported(self, report_id: str) -> None:
        """Forget a report that was taken."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM reports WHERE report_id = ?", (report_id,))

    def forward(self, purge: Purge, now: float) -> None:
        """Note that the learner is to purge a tenant's rows as well, of those it has by now."""
        before = now if purge.before is None else min(purge.before, now)
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO purges (tenant, user, before) VALUES (?, ?, ?)",
                (purge.tenant, purge.user, before),
            )

    def purges(self) -> list[tuple[int, Purge]]:
        """Give the purges that the learner does not know of yet, with their numbers."""
        found = self._select("SELECT number, tenant, user, before FROM purges ORDER BY number", ())
        return [(number, Purge(tenant, user, before)) for number, tenant, user, before in found]

    def purged(self, number: int) -> None:
        """Forget a purge that the learner has done."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM purges WHERE number = ?", (number,))

    def sweep(self, most_reports: int) -> None:
        """Take off the list what is gone from the store, and count it; bound the reports."""
        with self._transaction() as connection:
            rows = connection.execute(f"DELETE FROM outbox WHERE row_id IN ({_GONE})").rowcount  # noqa: S608 - a constant
            rows += connection.execute(
                "DELETE FROM reports WHERE rowid IN"
                " (SELECT rowid FROM reports ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                (most_reports,),
            ).rowcount
            connection.execute(
                "DELETE FROM foreign_rows WHERE row_id IN"
                " (SELECT row_id FROM foreign_rows EXCEPT SELECT row_id FROM labels)"
            )
            connection.execute(
                "INSERT INTO dropped VALUES (0, ?)"
                " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                (rows,),
            )

    def dropped(self) -> int:
        """Count what went before the learner had it: too old, too much, or purged."""
        found = self._select("SELECT count FROM dropped", ()).fetchone()
        return 0 if found is None else int(found[0])

    def keys(self) -> SharedKeys | None:
        """Give the learner's keys, once it has told them."""
        found = self._select("SELECT group_key, role_key, user_key FROM learner", ()).fetchone()
        return None if found is None else SharedKeys(*found)

    def keep_keys(self, keys: SharedKeys) -> None:
        """Keep the learner's keys, so that a restart needs no learner to go on."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO learner VALUES (0, ?, ?, ?)",
                (keys.group, keys.role, keys.user),
            )

    def count(self, report: AuditReport) -> bool:
        """Store what another node counted, behind the rows of now; False when it is known."""
        owner = report.owner
        with self._transaction() as connection:
            known = connection.execute(
                "SELECT 1 FROM audits WHERE report_id = ?", (report.report_id,)
            ).fetchone()
            if known is not None:
                return False
            [(newest,)] = connection.execute(
                "SELECT coalesce(max(number), 0) FROM labels WHERE task = ? AND owner = ?",
                (owner.task, owner.tenant),
            ).fetchall()
            connection.executemany(
                "INSERT INTO audits (report_id, task, owner, after_row, bundle, granted_at,"
                " stratum, seen, accepted, disagreed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        report.report_id,
                        owner.task,
                        owner.tenant,
                        newest,
                        one.bundle,
                        one.granted_at,
                        one.stratum,
                        one.seen,
                        one.accepted,
                        one.disagreed,
                    )
                    for one in report.counts
                ],
            )
            return True

    def bound(self, connection: sqlite3.Connection) -> None:
        """Drop the oldest counts of other nodes, in the store's own transaction."""
        connection.execute(
            "DELETE FROM audits WHERE number <= (SELECT max(number) FROM audits) - ?",
            (MOST_COUNTS,),
        )

    def counted(
        self, owner: Owner, granted_at: float, after: int = 0
    ) -> list[tuple[int, AuditCount]]:
        """Give what others counted under one guarantee, each with the row that it came after.

        With `after`, of counts that came after those of this number.
        """
        found = self._select(
            "SELECT after_row, bundle, granted_at, stratum, seen, accepted, disagreed FROM audits"
            " WHERE task = ? AND owner = ? AND granted_at = ? AND number > ? ORDER BY number",
            (owner.task, owner.tenant, granted_at, after),
        )
        return [(after, AuditCount(*counts)) for after, *counts in found]
