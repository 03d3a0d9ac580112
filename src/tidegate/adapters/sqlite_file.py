"""Opening SQLite files: WAL, a schema version, forward migrations, a backup before each.

Used by the stores that keep their data in SQLite; knows nothing of their tables.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from tidegate.adapters.private_file import locked
from tidegate.errors import StateError

Migration = Sequence[str]
"""The statements that bring a file from one schema version to the next."""

_BUSY_S = 10.0
"""How long a statement waits for another process's lock; readers never wait in WAL mode."""


def open_file(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Open for writing; bring the schema to version `len(migrations)`, each step whole or not.

    Before a step on an existing file a copy is left beside it as `NAME.v<version>.backup`.
    Raises StateError for a file that is newer, damaged or cannot be written.
    """
    try:
        # Workers open at the same moment; neither WAL nor a migration may be begun twice.
        with locked(path):
            connection = _opened(path, migrations)
    except (sqlite3.Error, OSError) as error:
        raise StateError(
            f"`{path}` cannot be opened: {error}; if it is damaged, move it away and restart"
            " (a new one is made) or put a `.backup` file in its place"
        ) from error
    return connection


def open_for_reading(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Open for reading beside a running writer; without a file, an empty one in memory."""
    if not path.exists():
        empty = sqlite3.connect(":memory:", isolation_level=None)
        for migration in migrations:
            for statement in migration:
                empty.execute(statement)
        return empty
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
        )
        try:
            version = _version(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StateError(f"`{path}` cannot be read: {error}") from error
    if version != len(migrations):
        connection.close()
        raise StateError(_wrong_version(path, version, len(migrations)))
    return connection


def _opened(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        # A row leaves its journal once it is here, so here it must survive a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    version = _version(connection)
    if version > len(migrations):
        raise StateError(_wrong_version(path, version, len(migrations)))
    for number in range(version, len(migrations)):
        if number:
            _back_up(connection, path.with_name(f"{path.name}.v{number}.backup"))
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"
            )
            for statement in migrations[number]:
                connection.execute(statement)
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version VALUES (?)", (number + 1,))
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'"
    ).fetchone()
    if known is None:
        return 0
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    return 0 if row is None else int(row[0])


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy page by page while others may read; the copy appears under its name only when whole."""
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    copy = sqlite3.connect(unfinished)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    unfinished.chmod(0o600)
    unfinished.replace(target)


def _wrong_version(path: Path, found: int, known: int) -> str:
    if found > known:
        return (
            f"`{path}` was written by a newer Tidegate (schema {found}, this one knows {known});"
            f" install that version, or move the file away or put its `.v{known}.backup` in place"
        )
    return (
        f"`{path}` has schema {found}, this Tidegate reads {known};"
        " start the node once, it brings the file forward and keeps a backup"
    )
