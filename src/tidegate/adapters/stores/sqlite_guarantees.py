"""Guarantees and the attempts behind them in SQLite, each verdict kept as history.

A verdict and the ledger of its attempt change in one transaction, and an attempt is written down
before a test row is looked at: a process that is killed at any moment has spent what it used.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import msgspec

from tidegate.adapters.sqlite_file import Migration, open_file, open_for_reading
from tidegate.domain.guarantee import AttemptLedger, Grant, Guarantee
from tidegate.errors import StateError

MOST_HISTORY = 1_000
"""Verdicts kept of each task; the oldest go first."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
    CREATE TABLE guarantees (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        task TEXT NOT NULL,
        bundle TEXT NOT NULL,
        state TEXT NOT NULL,
        content BLOB NOT NULL
    )
        """,
        "CREATE INDEX guarantees_task ON guarantees (task, number)",
        "CREATE TABLE attempts (task TEXT PRIMARY KEY, content BLOB NOT NULL)",
    ),
    (
        """
    CREATE TABLE warnings (
        task TEXT PRIMARY KEY,
        granted_at REAL NOT NULL,
        reason TEXT NOT NULL
    )
        """,
    ),
    (
        """
    CREATE TABLE answers (
        task TEXT NOT NULL,
        granted_at REAL NOT NULL,
        worker INTEGER NOT NULL,
        given INTEGER NOT NULL,
        ahead INTEGER NOT NULL,
        PRIMARY KEY (task, granted_at, worker)
    )
        """,
    ),
)

_ENCODE = msgspec.json.Encoder().encode
_GUARANTEE = msgspec.json.Decoder(Guarantee).decode
_LEDGER = msgspec.json.Decoder(AttemptLedger).decode


class SqliteGuarantees:
    """Implements `ports.GuaranteeStore`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Made by `open` and `open_to_read`."""
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for writing."""
        return cls(open_file(path, MIGRATIONS))

    @classmethod
    def open_to_read(cls, path: Path) -> Self:
        """Open beside a running node; empty when there is no file."""
        return cls(open_for_reading(path, MIGRATIONS))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def load(self, task: str) -> Guarantee | None:
        """Give the newest guarantee of a task, whatever its state and bundle."""
        found = self.history(task, 1)
        return found[0] if found else None

    def history(self, task: str, count: int) -> Sequence[Guarantee]:
        """Give the last verdicts on a task, newest first."""
        with _reading():
            found = self._connection.execute(
                "SELECT content FROM guarantees WHERE task = ? ORDER BY number DESC LIMIT ?",
                (task, count),
            ).fetchall()
            return [_GUARANTEE(content) for (content,) in found]

    def standing(self) -> Sequence[Guarantee]:
        """Give the newest verdict of each task that has a granted one."""
        with _reading():
            found = self._connection.execute(
                "SELECT content FROM guarantees WHERE state = 'granted' AND number IN"
                " (SELECT max(number) FROM guarantees GROUP BY task) ORDER BY task"
            ).fetchall()
            return [_GUARANTEE(content) for (content,) in found]

    def save(self, guarantee: Guarantee, ledger: AttemptLedger | None = None) -> None:
        """Make a guarantee the newest of its task, and the ledger with it, or neither."""
        with self._transaction() as connection:
            _append(connection, guarantee, ledger)

    def succeed(
        self, former: Guarantee | None, guarantee: Guarantee, ledger: AttemptLedger | None = None
    ) -> bool:
        """Save where `former` is still the newest; False where another has come between."""
        with self._transaction() as connection:
            if _newest(connection, guarantee.task) != former:
                return False
            _append(connection, guarantee, ledger)
        return True

    def extend(self, guarantee: Guarantee) -> None:
        """Put it in place of the newest of its task, where that is the same with another end."""
        with self._transaction() as connection:
            newest = connection.execute(
                "SELECT number, content FROM guarantees WHERE task = ?"
                " ORDER BY number DESC LIMIT 1",
                (guarantee.task,),
            ).fetchone()
            if newest is None:
                return
            number, content = newest
            before = _GUARANTEE(content)
            if replace(before, expires_at=guarantee.expires_at) == guarantee:
                connection.execute(
                    "UPDATE guarantees SET content = ? WHERE number = ?",
                    (_ENCODE(guarantee), number),
                )

    def ledger(self, task: str) -> AttemptLedger:
        """Give the attempts of a task; an empty ledger when there were none."""
        with _reading():
            return _ledger(self._connection, task)

    def spend(self, task: str, before: AttemptLedger, after: AttemptLedger) -> None:
        """Write down an attempt; raises StateError when another test has begun meanwhile."""
        with self._transaction() as connection:
            if _ledger(connection, task) != before:
                raise StateError(
                    f"another process has begun a test of `{task}`; one learner a task is enough"
                )
            _put(connection, task, after)

    def warn(self, task: str, granted_at: float, reason: str) -> None:
        """Write down why the guarantee granted then should not stand; the newest counts."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO warnings (task, granted_at, reason) VALUES (?, ?, ?)",
                (task, granted_at, reason),
            )

    def warnings(self) -> dict[Grant, str]:
        """Give all warnings by the guarantee that they are about."""
        with _reading():
            found = self._connection.execute("SELECT task, granted_at, reason FROM warnings")
            return {Grant(task, granted_at): reason for task, granted_at, reason in found}

    def count(self, worker: int, given: Mapping[Grant, tuple[int, int]]) -> None:
        """Add answers that a worker gave, each with how many more count until it says otherwise.

        What is written ahead covers answers that a process which is killed cannot write down.
        """
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " given = given + excluded.given, ahead = excluded.ahead",
                [
                    (grant.task, grant.granted_at, worker, count, ahead)
                    for grant, (count, ahead) in given.items()
                ],
            )

    def take_over(self, worker: int) -> None:
        """Count as given what the process before this one had written ahead, if it was killed."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE answers SET given = given + ahead, ahead = 0 WHERE worker = ?", (worker,)
            )

    def answers(self, grant: Grant) -> int:
        """Count the answers under a guarantee, of all workers; rather too many than too few."""
        return self.all_answers().get(grant, 0)

    def all_answers(self) -> dict[Grant, int]:
        """Count them under each guarantee."""
        with _reading():
            found = self._connection.execute(
                "SELECT task, granted_at, sum(given + ahead) FROM answers GROUP BY task, granted_at"
            )
            return {Grant(task, granted_at): count for task, granted_at, count in found}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block whole or not at all, alone among the writers of all processes."""
        with _reading():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                # A full disk has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, msgspec.MsgspecError) as error:
        raise StateError(f"the store of guarantees cannot be used: {error}") from error


def _newest(connection: sqlite3.Connection, task: str) -> Guarantee | None:
    found = connection.execute(
        "SELECT content FROM guarantees WHERE task = ? ORDER BY number DESC LIMIT 1", (task,)
    ).fetchone()
    return None if found is None else _GUARANTEE(found[0])


def _append(
    connection: sqlite3.Connection, guarantee: Guarantee, ledger: AttemptLedger | None
) -> None:
    connection.execute(
        "INSERT INTO guarantees (task, bundle, state, content) VALUES (?, ?, ?, ?)",
        (guarantee.task, guarantee.bundle, guarantee.state, _ENCODE(guarantee)),
    )
    connection.execute(
        "DELETE FROM guarantees WHERE number IN (SELECT number FROM guarantees"
        " WHERE task = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (guarantee.task, MOST_HISTORY),
    )
    if guarantee.state == "granted":
        connection.execute(
            "DELETE FROM answers WHERE task = ? AND granted_at <> ?",
            (guarantee.task, guarantee.granted_at),
        )
    if ledger is not None:
        _put(connection, guarantee.task, ledger)


def _ledger(connection: sqlite3.Connection, task: str) -> AttemptLedger:
    found = connection.execute("SELECT content FROM attempts WHERE task = ?", (task,)).fetchone()
    return AttemptLedger() if found is None else _LEDGER(found[0])


def _put(connection: sqlite3.Connection, task: str, ledger: AttemptLedger) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO attempts (task, content) VALUES (?, ?)", (task, _ENCODE(ledger))
    )
