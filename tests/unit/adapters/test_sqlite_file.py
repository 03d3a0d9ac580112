"""Opening SQLite files that several workers open at the same moment."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from tidegate.adapters.sqlite_file import open_file

MIGRATIONS = (("CREATE TABLE a (x)", "CREATE INDEX i ON a (x)"), ("CREATE TABLE b (x)",))
OPENERS = 8


def test_openers_at_the_same_moment_bring_it_forward_once(tmp_path: Path) -> None:
    start = threading.Barrier(OPENERS)
    opened: list[sqlite3.Connection] = []
    failed: list[Exception] = []

    def opener() -> None:
        start.wait()
        try:
            opened.append(open_file(tmp_path / "a.sqlite", MIGRATIONS))
        except Exception as error:  # noqa: BLE001
            # Reported by the assertion below.
            failed.append(error)

    threads = [threading.Thread(target=opener) for _ in range(OPENERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    for connection in opened:
        with closing(connection):
            assert connection.execute("SELECT version FROM schema_version").fetchall() == [(2,)]
