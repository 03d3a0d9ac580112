"""The label store in SQLite: rows sealed under their tenants' keys, bounded, with a time to live.

What is personal (vector, label, text) is sealed; columns beside it say whose it is and what it may
be used for, users and near-duplicates only as keyed hashes. Several processes may write.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from tidegate.adapters.label_answers import TABLE, LabelAnswers
from tidegate.adapters.label_audits import TABLE as AUDIT_CALLS
from tidegate.adapters.label_audits import LabelAudits
from tidegate.adapters.label_codec import COLUMNS, INTO, RowCodec
from tidegate.adapters.label_outbox import FOREIGN, PURGES, LabelOutbox
from tidegate.adapters.label_outbox import TABLES as OUTBOX_TABLES
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.sqlite_file import Migration, open_file, open_for_reading
from tidegate.domain.exchange import AuditCount
from tidegate.domain.guarantee import NoiseFloor
from tidegate.domain.label import FitMark, LabelCounts, LabelRow, Owner, Purge, Purged
from tidegate.domain.question import Question
from tidegate.errors import StateError

KEEP_ROWS = 20_000
"""Rows of one owner and use: 25 MB with 384 dimensions."""
FEWEST_OF_CLASS = 20
"""A class keeps at least so many fitting rows, however many classes there are."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
    CREATE TABLE labels (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        row_id TEXT NOT NULL UNIQUE,
        task TEXT NOT NULL,
        owner TEXT NOT NULL,
        tenant TEXT NOT NULL,
        question TEXT NOT NULL,
        origin TEXT NOT NULL,
        role TEXT NOT NULL,
        user_group BLOB NOT NULL,
        cluster BLOB NOT NULL,
        user BLOB,
        class BLOB,
        priority INTEGER NOT NULL,
        upstream TEXT NOT NULL,
        model TEXT NOT NULL,
        time REAL NOT NULL,
        zone TEXT NOT NULL,
        region TEXT NOT NULL,
        language TEXT NOT NULL,
        encoder TEXT NOT NULL,
        generation INTEGER NOT NULL,
        share REAL NOT NULL,
        stratum INTEGER NOT NULL,
        sealed BLOB NOT NULL
    )
        """,
        "CREATE INDEX labels_owner ON labels (task, owner, encoder, role, class, priority)",
        "CREATE INDEX labels_time ON labels (time)",
        "CREATE INDEX labels_user ON labels (tenant, user)",
        """
    CREATE TABLE fits (
        task TEXT NOT NULL,
        owner TEXT NOT NULL,
        version TEXT NOT NULL,
        last_row INTEGER NOT NULL,
        fitted_at REAL NOT NULL,
        fit_rows INTEGER NOT NULL,
        measuring_rows INTEGER NOT NULL,
        is_stale INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (task, owner, version)
    )
        """,
        """
    CREATE TABLE questions (
        task TEXT NOT NULL,
        owner TEXT NOT NULL,
        question BLOB NOT NULL,
        PRIMARY KEY (task, owner)
    )
        """,
        """
    CREATE TABLE repeats (
        task TEXT NOT NULL,
        owner TEXT NOT NULL,
        model TEXT NOT NULL,
        pairs INTEGER NOT NULL,
        disagreements INTEGER NOT NULL,
        PRIMARY KEY (task, owner, model)
    )
        """,
    ),
    TABLE,
    OUTBOX_TABLES,
    AUDIT_CALLS,
    PURGES,
    FOREIGN,
)

_FIT_BEYOND = """
    DELETE FROM labels WHERE number IN (
        SELECT number FROM (
            SELECT number, row_number() OVER (PARTITION BY class ORDER BY priority) AS place
            FROM labels WHERE task = ? AND owner = ? AND role = 'fit'
        ) WHERE place > ?
    )
"""
"""Of each class the rows of smallest priority stay: as keyed hashes are uniform, a random sample
of all that ever came (bottom-k), the same in whatever order it is drawn."""
_OLDEST_BEYOND = """
    DELETE FROM labels WHERE number IN (
        SELECT number FROM labels WHERE task = ? AND owner = ? AND role = ? AND origin = ?
        ORDER BY number DESC LIMIT -1 OFFSET ?
    )
"""


_QUESTION = msgspec.json.Decoder(Question).decode


Marks = tuple[int, int]
"""Number of a row, and of counts of other nodes: what is stored later has greater ones."""


@dataclass(frozen=True, slots=True)
class News:
    """What was stored since the last look, each with its number."""

    rows: Sequence[tuple[int, LabelRow]]
    counts: Sequence[tuple[int, AuditCount]]
    """What other nodes counted, each with the row that it came after."""
    marks: Marks


class SqliteLabels:
    """One label store."""

    def __init__(
        self, connection: sqlite3.Connection, keys: TenantKeys, secret: bytes, keep_rows: int
    ) -> None:
        """Made by `open` and `open_to_read`."""
        self._connection = connection
        self._keys = keys
        self._codec = RowCodec(keys, secret)
        self._keep_rows = keep_rows
        self.answers = LabelAnswers(self._select, self._transaction, self._codec, keep_rows)
        """What feedback may label, or has."""
        self.audits = LabelAudits(self._transaction)
        """Audit calls by day."""
        self.outbox = LabelOutbox(self._select, self._transaction, self._codec)
        """What goes to other nodes and comes from them."""

    @classmethod
    def open(
        cls, path: Path, keys: TenantKeys, *, secret: bytes, keep_rows: int = KEEP_ROWS
    ) -> Self:
        """Open for writing; `secret` keys the hashes of classes."""
        return cls(open_file(path, MIGRATIONS), keys, secret, keep_rows)

    @classmethod
    def open_to_read(cls, path: Path, keys: TenantKeys) -> Self:
        """Open beside a running node; empty when there is no file."""
        return cls(open_for_reading(path, MIGRATIONS), keys, b"", KEEP_ROWS)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, rows: Sequence[LabelRow]) -> int:
        """Store rows that are not there yet, all or none; gives how many are new."""
        if not rows:
            return 0
        made = [self._codec.columns(row) for row in rows]
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                f"INSERT OR IGNORE INTO labels {INTO}",
                made,
            )
            new = connection.total_changes - before
            self.outbox.put(connection, rows)
            return new

    def owners(self) -> Sequence[Owner]:
        """List whose labels there are."""
        found = self._select("SELECT DISTINCT task, owner FROM labels ORDER BY task, owner")
        return [Owner(task, owner) for task, owner in found]

    def owners_by_encoder(self) -> Sequence[tuple[Owner, str]]:
        """List whose labels there are, with the encoder of their vectors."""
        found = self._select(
            "SELECT DISTINCT task, owner, encoder FROM labels ORDER BY task, owner, encoder"
        )
        return [(Owner(task, of), encoder) for task, of, encoder in found]

    def counts(self, owner: Owner, encoder: str) -> LabelCounts:
        """Count the labelled rows of one owner and encoder."""
        found = self._select(
            """
            SELECT role, origin, count(*), max(number), min(time), max(time) FROM labels
            WHERE task = ? AND owner = ? AND encoder = ? AND class IS NOT NULL
            GROUP BY role, origin
            """,
            (owner.task, owner.tenant, encoder),
        ).fetchall()
        if not found:
            return LabelCounts()
        of = {(role, origin): count for role, origin, count, *_ in found}
        origins: dict[str, int] = {}
        for (_, origin), count in of.items():
            origins[origin] = origins.get(origin, 0) + count
        [(classes,)] = self._select(
            "SELECT count(DISTINCT class) FROM labels WHERE task = ? AND owner = ? AND encoder = ?",
            (owner.task, owner.tenant, encoder),
        ).fetchall()
        return LabelCounts(
            rows=sum(of.values()),
            fit=sum(count for (role, _), count in of.items() if role == "fit"),
            calibrate=of.get(("calibrate", "audit"), 0),
            test=of.get(("test", "audit"), 0),
            by_origin=origins,
            classes=classes,
            newest=max(row[3] for row in found),
            oldest_time=min(row[4] for row in found),
            newest_time=max(row[5] for row in found),
        )

    def rows(self, owner: Owner, encoder: str, since: float = 0.0) -> Sequence[LabelRow]:
        """Give the labelled rows of one owner and encoder received after `since`, oldest first."""
        found = self._select(
            f"SELECT {COLUMNS} FROM labels"  # noqa: S608 - a constant
            " WHERE task = ? AND owner = ? AND encoder = ? AND time > ? AND class IS NOT NULL"
            " ORDER BY number",
            (owner.task, owner.tenant, encoder, since),
        )
        return [self._codec.row(row) for row in found]

    def marks(self) -> Marks:
        """Tell up to where there are rows, and counts of other nodes."""
        [(row, count)] = self._select(
            "SELECT (SELECT coalesce(max(number), 0) FROM labels),"
            " (SELECT coalesce(max(number), 0) FROM audits)"
        ).fetchall()
        return row, count

    def news(self, owner: Owner, encoder: str, *, since: float, after: Marks) -> News:
        """Give what came after these marks, under a grant of `since`.

        All as of one moment, so that what comes later has later numbers.
        """
        number, count = after
        with self._snapshot():
            marks = self.marks()
            rows = self._select(
                f"SELECT number, {COLUMNS} FROM labels"  # noqa: S608 - a constant
                " WHERE number > ? AND task = ? AND owner = ? AND encoder = ? AND time > ?"
                " AND class IS NOT NULL ORDER BY number",
                (number, owner.task, owner.tenant, encoder, since),
            ).fetchall()
            counts = self.outbox.counted(owner, since, count)
        read = [(place, self._codec.row(row)) for place, *row in rows]
        # A purge can have taken the newest away; numbers are given once.
        return News(read, counts, (max(marks[0], number), max(marks[1], count)))

    def find(self, row_id: str) -> LabelRow | None:
        """Give one row, labelled or pending."""
        found = self._select(
            f"SELECT {COLUMNS} FROM labels WHERE row_id = ?",  # noqa: S608 - a constant
            (row_id,),
        ).fetchone()
        return None if found is None else self._codec.row(found)

    def every(self, tenant: str | None) -> Iterator[LabelRow]:
        """Give all rows of a tenant, or of all, for an export; kept answers after the labels."""
        where, values = ("WHERE tenant = ?", (tenant,)) if tenant else ("", ())
        for table in ("labels", "answers"):
            for row in self._connection.execute(
                f"SELECT {COLUMNS} FROM {table} {where} ORDER BY number",  # noqa: S608 - constants
                values,
            ):
                yield self._codec.row(row)

    def prune(self, now: float, *, days: float) -> int:
        """Drop what is too old or too much; gives how many rows went."""
        with self._transaction() as connection:
            before = connection.total_changes
            connection.execute("DELETE FROM labels WHERE time < ?", (now - days * 86_400.0,))
            for owner in self.owners():
                self._bound(connection, owner)
            self.outbox.bound(connection)
            return connection.total_changes - before

    def remember(self, owner: Owner, question: Question) -> None:
        """Keep the question that an owner's labels answer; the first one stays."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO questions VALUES (?, ?, ?)",
                (owner.task, owner.tenant, msgspec.json.encode(question)),
            )

    def questions(self) -> dict[Owner, Question]:
        """Give what each owner's labels answer."""
        found = self._select("SELECT task, owner, question FROM questions ORDER BY task, owner")
        return {Owner(task, of): _QUESTION(content) for task, of, content in found}

    def repeat(self, owner: Owner, model: str, *, pairs: int, disagreements: int) -> None:
        """Add to what is known of how far a model is from itself."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO repeats VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " pairs = pairs + excluded.pairs,"
                " disagreements = disagreements + excluded.disagreements",
                (owner.task, owner.tenant, model, pairs, disagreements),
            )

    def noise(self, owner: Owner, model: str) -> NoiseFloor:
        """Tell how far a model is from itself on this owner's requests."""
        found = self._select(
            "SELECT pairs, disagreements FROM repeats WHERE task = ? AND owner = ? AND model = ?",
            (owner.task, owner.tenant, model),
        ).fetchone()
        return NoiseFloor(0, 0) if found is None else NoiseFloor(*found)

    def mark_fitted(self, mark: FitMark) -> None:
        """Remember which rows a bundle was fitted on."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO fits VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                (
                    mark.owner.task,
                    mark.owner.tenant,
                    mark.version,
                    mark.last_row,
                    mark.fitted_at,
                    mark.fit_rows,
                    mark.measuring_rows,
                ),
            )

    def fits(self, owner: Owner | None = None) -> Sequence[FitMark]:
        """Give what bundles were fitted on, oldest first."""
        found = self._select("SELECT * FROM fits ORDER BY fitted_at")
        marks = [
            FitMark(Owner(task, of), version, last, at, fit, measuring, bool(stale))
            for task, of, version, last, at, fit, measuring, stale in found
        ]
        return marks if owner is None else [mark for mark in marks if mark.owner == owner]

    def purge(self, purge: Purge) -> Purged:
        """Delete rows for good, and destroy the key of a tenant of whom nothing is left."""
        where, values = _conditions(purge)
        # Overwritten with zeros, not only unlinked from the tree.
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction() as connection:
            touched = connection.execute(
                "SELECT task, owner, min(number) FROM labels"  # noqa: S608 - made of constants
                f" WHERE {where} GROUP BY task, owner",
                values,
            ).fetchall()
            tenants = [
                tenant
                for (tenant,) in connection.execute(
                    f"SELECT tenant FROM labels WHERE {where}"  # noqa: S608 - constants
                    f" UNION SELECT tenant FROM answers WHERE {where}",
                    (*values, *values),
                )
            ]
            gone = connection.execute(
                f"DELETE FROM labels WHERE {where}",  # noqa: S608 - made of constants
                values,
            ).rowcount
            for task, owner, first in touched:
                connection.execute(
                    "UPDATE fits SET is_stale = 1 WHERE task = ? AND owner = ? AND last_row >= ?",
                    (task, owner, first),
                )
            answers, stated = self.answers.purge(connection, where, values)
            for task, owner, since in stated:
                connection.execute(
                    "UPDATE fits SET is_stale = 1 WHERE task = ? AND owner = ? AND fitted_at >= ?",
                    (task, owner, since),
                )
            left = {
                tenant
                for (tenant,) in connection.execute(
                    "SELECT tenant FROM labels UNION SELECT tenant FROM answers"
                )
            }
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if purge.tenant is not None and purge.tenant not in tenants:
            tenants.append(purge.tenant)
        keys = [tenant for tenant in tenants if tenant not in left and self._keys.destroy(tenant)]
        owners = {(task, owner) for task, owner, _ in (*touched, *stated)}
        stale = [
            mark
            for mark in self.fits()
            if mark.is_stale and (mark.owner.task, mark.owner.tenant) in owners
        ]
        return Purged(gone + answers, tuple(keys), tuple(stale))

    def _bound(self, connection: sqlite3.Connection, owner: Owner) -> None:
        """Fitting rows are bounded by class, the sample that measures by age: it stays a sample."""
        named = (owner.task, owner.tenant)
        [(classes,)] = connection.execute(
            "SELECT count(DISTINCT class) FROM labels WHERE task = ? AND owner = ?", named
        ).fetchall()
        of_class = max(self._keep_rows // max(classes, 1), FEWEST_OF_CLASS)
        connection.execute(_FIT_BEYOND, (*named, of_class))
        for role, origin in (("calibrate", "audit"), ("test", "audit")):
            connection.execute(_OLDEST_BEYOND, (*named, role, origin, self._keep_rows))

    def _select(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise StateError(f"the label store cannot be read: {error}") from error

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Let all reads of a block see the same moment."""
        self._select("BEGIN")
        try:
            yield
        finally:
            self._select("COMMIT")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block whole or not at all, alone among the writers of all processes."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                # A full disk has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(f"the label store cannot be written: {error}") from error


def _conditions(purge: Purge) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    for condition, value in (
        ("tenant = ?", purge.tenant),
        ("user = ?", purge.user),
        ("time < ?", purge.before),
    ):
        if value is not None:
            parts.append(condition)
            values.append(value)
    if not parts:
        raise StateError("name what to purge: --tenant, --user with --tenant, or --before")
    return " AND ".join(parts), values
