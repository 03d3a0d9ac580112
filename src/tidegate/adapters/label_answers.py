"""Answers that feedback may label, in the label store: sealed rows, no labels by themselves.

Local answers wait here until somebody says what would have been right, or they are too old. What
an upstream answered is in `labels`; feedback on it is written here beside it, never over it.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tidegate.adapters.label_codec import COLUMNS, INTO, RowCodec
from tidegate.domain.feedback import Feedback, FeedbackCounts, KeptAnswer
from tidegate.domain.label import LabelRow, Owner

DAY_S = 86_400.0

TABLE = (
    """
    CREATE TABLE answers (
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
        sealed BLOB NOT NULL,
        is_local INTEGER NOT NULL DEFAULT 1,
        is_error INTEGER NOT NULL DEFAULT 0,
        source TEXT,
        stated_at REAL
    )
    """,
    "CREATE INDEX answers_stated ON answers (task, owner, stated_at)",
    "CREATE INDEX answers_time ON answers (time)",
    "CREATE INDEX answers_user ON answers (tenant, user)",
)

_STATE = """
    UPDATE answers SET origin = 'feedback', class = ?, sealed = ?, is_local = ?, is_error = ?,
        source = ?, stated_at = ?
    WHERE row_id = ? AND stated_at IS NULL
"""
_BEYOND = """
    DELETE FROM answers
    WHERE stated_at IS NULL AND number <= (SELECT max(number) FROM answers) - ?
"""
_STATED_BEYOND = """
    DELETE FROM answers WHERE number IN (
        SELECT number FROM (
            SELECT number, row_number() OVER (
                PARTITION BY task, owner ORDER BY stated_at DESC, number DESC
            ) AS place
            FROM answers WHERE stated_at IS NOT NULL
        ) WHERE place > ?
    )
"""


class LabelAnswers:
    """The table `answers` of one label store."""

    def __init__(
        self,
        select: Callable[[str, Sequence[object]], sqlite3.Cursor],
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        codec: RowCodec,
        keep_rows: int,
    ) -> None:
        """`select` and `transaction` are the store's, and raise StateError."""
        self._select = select
        self._transaction = transaction
        self._codec = codec
        self._keep_rows = keep_rows

    def add(self, rows: Sequence[LabelRow]) -> None:
        """Keep local answers; the oldest beyond `keep_rows` go, whosever they are."""
        made = [self._codec.columns(row) for row in rows]
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO answers {INTO}",
                made,
            )
            connection.execute(_BEYOND, (self._keep_rows,))

    def find(self, row_id: str) -> KeptAnswer | None:
        """Give an answer: a local one, or what an upstream said."""
        found = self._select(
            f"SELECT {COLUMNS}, is_local, stated_at FROM answers"  # noqa: S608 - a constant
            " WHERE row_id = ?",
            (row_id,),
        ).fetchone()
        if found is not None:
            *columns, is_local, stated_at = found
            row = self._codec.row(columns)
            return KeptAnswer(row, is_local=bool(is_local), is_stated=stated_at is not None)
        found = self._select(
            f"SELECT {COLUMNS} FROM labels WHERE row_id = ?",  # noqa: S608 - a constant
            (row_id,),
        ).fetchone()
        if found is None:
            return None
        return KeptAnswer(self._codec.row(found), is_local=False, is_stated=False)

    def state(self, feedback: Feedback) -> bool:
        """Write down what somebody said; False when it was said already, or the answer is gone."""
        columns = self._codec.columns(feedback.row)
        with self._transaction() as connection:
            if not feedback.is_local:
                connection.execute(
                    f"INSERT OR IGNORE INTO answers {INTO}",
                    columns,
                )
            changed = connection.execute(
                _STATE,
                (
                    self._codec.class_of(feedback.row),
                    columns[-1],
                    feedback.is_local,
                    feedback.is_error,
                    feedback.source,
                    feedback.time,
                    feedback.row.row_id,
                ),
            )
            return changed.rowcount == 1

    def stated(self, owner: Owner, encoder: str) -> Sequence[LabelRow]:
        """Give the feedback of one owner and encoder, oldest first."""
        found = self._select(
            f"SELECT {COLUMNS} FROM answers WHERE task = ? AND owner = ?"  # noqa: S608
            " AND encoder = ? AND stated_at IS NOT NULL ORDER BY stated_at, number",
            (owner.task, owner.tenant, encoder),
        )
        return [self._codec.row(row) for row in found]

    def counts(self, owner: Owner) -> FeedbackCounts:
        """Count the feedback of one owner."""
        [(stated, errors)] = self._select(
            "SELECT count(*), sum(is_local AND is_error) FROM answers"
            " WHERE task = ? AND owner = ? AND stated_at IS NOT NULL",
            (owner.task, owner.tenant),
        ).fetchall()
        return FeedbackCounts(stated, errors or 0)

    def prune(self, now: float, *, days: float, waiting_days: float) -> None:
        """Drop feedback that is too old or too much, and answers nobody may speak of any more."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM answers WHERE time < ?", (now - days * DAY_S,))
            connection.execute(
                "DELETE FROM answers WHERE stated_at IS NULL AND time < ?",
                (now - waiting_days * DAY_S,),
            )
            connection.execute(_STATED_BEYOND, (self._keep_rows,))

    def purge(
        self, connection: sqlite3.Connection, where: str, values: Sequence[object]
    ) -> tuple[int, list[tuple[str, str, float]]]:
        """Delete for good; gives how many rows went, and of which owners feedback since when."""
        touched = connection.execute(
            "SELECT task, owner, min(stated_at) FROM answers"  # noqa: S608 - made of constants
            f" WHERE {where} AND stated_at IS NOT NULL GROUP BY task, owner",
            values,
        ).fetchall()
        gone = connection.execute(
            f"DELETE FROM answers WHERE {where}",  # noqa: S608 - made of constants
            values,
        ).rowcount
        return gone, touched
