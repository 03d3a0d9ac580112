"""One archive of what a node must not lose, taken while it runs.

In it: keys, pepper, bundles, journal, ledger, guarantees, labels with the keys that open them, and
whose the files and batches at upstreams are. Not in it: the admin token, so that a backup that gets
about opens no running node; the next start makes another.
"""

import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import msgspec

from tidegate.adapters.backup_manifest import FORMAT, MEMBER, Entry, Manifest
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.private_file import read_private, replacing
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.errors import StateError

_LISTINGS = 100
"""How often the journal may change its files while they are opened, before that is an error."""


def back_up(paths: StatePaths, target: Path, *, now: float, version: str) -> Manifest:
    """Write the archive, whole or not at all; raises StateError.

    The journal is copied before the ledger. So a record that moves meanwhile is in one of them or
    in both, and its position in the journal, kept in the ledger, makes it count once.
    """
    if not (paths.keys.exists() or paths.ledger.exists()):
        raise StateError(f"there is nothing to back up in `{paths.root}`; name it with --state")
    try:
        with replacing(target) as file, tarfile.open(fileobj=file, mode="w") as archive:
            entries = [*_add_keys(archive, paths), *_add_bundles(archive, paths)]
            entries += _add_journal(archive, paths.journal)
            ledger, schema = _add_database(archive, paths.ledger, target.parent)
            # Keys after labels: a purge meanwhile leaves labels that nothing opens.
            labels, labels_schema = _add_database(archive, paths.labels, target.parent)
            entries += _add_label_keys(archive, paths)
            guarantees, guarantees_schema = _add_database(archive, paths.guarantees, target.parent)
            bindings, bindings_schema = _add_database(archive, paths.bindings, target.parent)
            manifest = Manifest(
                format=FORMAT,
                tidegate=version,
                created=now,
                ledger_schema=schema,
                labels_schema=labels_schema,
                guarantees_schema=guarantees_schema,
                bindings_schema=bindings_schema,
                files=(*entries, *ledger, *labels, *guarantees, *bindings),
            )
            _add_bytes(archive, MEMBER, msgspec.json.format(msgspec.json.encode(manifest)))
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"the backup `{target}` cannot be written: {error}") from error
    return manifest


def _add_keys(archive: tarfile.TarFile, paths: StatePaths) -> Iterator[Entry]:
    for path in (paths.keys, paths.pepper, paths.pins):
        content = read_private(path)
        if content is not None:
            yield _add_bytes(archive, path.name, content)


def _add_label_keys(archive: tarfile.TarFile, paths: StatePaths) -> Iterator[Entry]:
    for path in sorted(paths.label_keys.glob("*.key")):
        content = read_private(path)
        if content is not None:
            yield _add_bytes(archive, str(path.relative_to(paths.root)), content)


def _add_bundles(archive: tarfile.TarFile, paths: StatePaths) -> Iterator[Entry]:
    bundles = BundleFolder(paths.bundles)
    for name in bundles.names():
        for version in bundles.versions(name):
            for path in sorted(bundles.path(name, version).iterdir()):
                with path.open("rb") as file:
                    yield _add(archive, str(path.relative_to(paths.root)), file)


def _add_journal(archive: tarfile.TarFile, folder: Path) -> Iterator[Entry]:
    opened = _open_journal(folder)
    try:
        for name, file in opened:
            yield _add(archive, f"journal/{name}", file)
    finally:
        for _, file in opened:
            file.close()


def _open_journal(folder: Path) -> list[tuple[str, BinaryIO]]:
    """Open all journal files as they stood at one moment; none hides behind a rotation."""
    for _ in range(_LISTINGS):
        before = _listing(folder)
        opened: list[tuple[str, BinaryIO]] = []
        try:
            for name, _ in before:
                opened.append((name, (folder / name).open("rb")))
            found = [(name, os.fstat(file.fileno()).st_ino) for name, file in opened]
            if found == before == _listing(folder):
                return opened
        except FileNotFoundError:
            # Sealed or moved into the ledger since it was listed.
            pass
        for _, file in opened:
            file.close()
    raise StateError(f"the journal in `{folder}` changes its files faster than they can be opened")


def _listing(folder: Path) -> list[tuple[str, int]]:
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            found.append((path.name, path.stat().st_ino))
        except FileNotFoundError:
            continue
    return found


def _add_database(
    archive: tarfile.TarFile, database: Path, folder: Path
) -> tuple[tuple[Entry, ...], int]:
    """Add a copy made by SQLite's online backup, and give its schema version."""
    if not database.exists():
        return (), 0
    with tempfile.TemporaryDirectory(prefix=".tidegate-", dir=folder) as made:
        copy = Path(made) / database.name
        source = sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            # The archive holds one file: nothing of it may wait in a log beside it.
            target.execute("PRAGMA journal_mode = DELETE")
            [schema] = target.execute("SELECT version FROM schema_version").fetchone()
        with copy.open("rb") as file:
            return (_add(archive, database.name, file),), int(schema)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> Entry:
    return _add(archive, name, io.BytesIO(content), len(content))


def _add(archive: tarfile.TarFile, name: str, file: BinaryIO, size: int | None = None) -> Entry:
    """Add as many bytes as the file has now; what is appended meanwhile stays out."""
    info = tarfile.TarInfo(name)
    info.size = os.fstat(file.fileno()).st_size if size is None else size
    info.mode = 0o600
    reader = _Hashing(file)
    archive.addfile(info, reader)
    return Entry(name=name, size=info.size, sha256=reader.digest.hexdigest())


class _Hashing(io.RawIOBase):
    """Reads a file and keeps the hash of what was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        return piece
