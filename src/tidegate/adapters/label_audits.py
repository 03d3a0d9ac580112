"""How many audit calls a node has made on which day: one budget for all workers, beside the labels.

A row a task and day, so that a clock which jumps cannot give a day's calls twice: each day that it
ever shows has its own count, whatever came between.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager

DAY_S = 86_400.0
MOST_DAYS = 400
"""Kept of each task; those that were begun longest ago go."""

TABLE = (
    """
    CREATE TABLE audit_calls (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        task TEXT NOT NULL,
        day INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        UNIQUE (task, day)
    )
    """,
)

_TAKE = """
    INSERT INTO audit_calls (task, day, spent) VALUES (?, ?, 1)
    ON CONFLICT DO UPDATE SET spent = spent + 1 WHERE spent < ?
"""
_OLDEST_BEYOND = """
    DELETE FROM audit_calls WHERE number IN (
        SELECT number FROM audit_calls WHERE task = ? ORDER BY number DESC LIMIT -1 OFFSET ?
    )
"""


class LabelAudits:
    """The table `audit_calls` of one label store."""

    def __init__(
        self, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]]
    ) -> None:
        """`transaction` is the store's, and raises StateError."""
        self._transaction = transaction

    def take(self, task: str, limit: int, now: float) -> bool:
        """Spend one call of today's; False when there is none left."""
        if limit < 1:
            return False
        with self._transaction() as connection:
            day = int(now // DAY_S)
            taken = connection.execute(_TAKE, (task, day, limit)).rowcount == 1
            connection.execute(_OLDEST_BEYOND, (task, MOST_DAYS))
        return taken
