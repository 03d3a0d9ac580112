"""Puts a backup into a state directory that no node uses, whole or not at all.

Everything is unpacked and checked beside what is there; only then is it moved into place.
"""

import fcntl
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from tidegate.adapters.backup_manifest import MEMBER, MOST_BYTES, Entry, Manifest, decode
from tidegate.adapters.stores.state_directory import StatePaths, open_state_directory
from tidegate.errors import StateError

_PIECE_BYTES = 1024 * 1024
_CONTENT = (
    "keys.json",
    "pins.json",
    "pepper",
    "ledger.sqlite*",
    "labels.sqlite*",
    "label_keys/*.key",
    "guarantees.sqlite*",
    "bindings.sqlite*",
    "bundles/*",
    "journal/*.jsonl",
)
"""What a node keeps; the admin token is not restored and so stays."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place, and where that lies which was there before."""

    manifest: Manifest
    set_aside: Path | None


def restore(archive: Path, root: Path, *, replace: bool) -> Restored:
    """Put a backup in place; raises StateError and changes nothing when it cannot be.

    A state directory that holds something is refused, or, with `replace`, emptied into a folder
    `replaced-N` inside it.
    """
    try:
        with tarfile.open(archive, mode="r:") as opened:
            manifest = _manifest(opened, archive)
            paths = open_state_directory(root)
            with _unused(paths):
                present = _present(paths)
                if present and not replace:
                    raise StateError(
                        f"`{root}` is not empty: it holds `{present[0].relative_to(root)}`; restore"
                        " into another with --state, or set aside what is there with --force"
                    )
                return _put(opened, manifest, paths, present)
    except (tarfile.TarError, EOFError) as error:
        raise StateError(f"`{archive}` is not a backup of Tidegate, or damaged: {error}") from error
    except OSError as error:
        raise StateError(f"`{archive}` cannot be restored to `{root}`: {error}") from error


def _manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    try:
        member = archive.getmember(MEMBER)
    except KeyError:
        raise StateError(
            f"`{path}` has no manifest: it is not a backup of Tidegate, or its end is missing"
        ) from None
    if member.size > MOST_BYTES:
        raise StateError(f"the manifest of `{path}` is larger than {MOST_BYTES} bytes")
    return decode(_opened(archive, member).read(), str(path))


@contextmanager
def _unused(paths: StatePaths) -> Iterator[None]:
    """Hold the lock that a node holds while it runs."""
    lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(lock):
            raise StateError(
                f"a node runs on `{paths.root}`; stop it, or restore into another with --state"
            )
        yield
    finally:
        os.close(lock)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _present(paths: StatePaths) -> list[Path]:
    return [found for name in _CONTENT for found in sorted(paths.root.glob(name))]


def _put(
    archive: tarfile.TarFile, manifest: Manifest, paths: StatePaths, present: list[Path]
) -> Restored:
    staging = paths.root / "restoring"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for entry in manifest.files:
            _unpack(archive, entry, staging / entry.name)
        set_aside = _set_aside(paths.root, present) if present else None
        # Keys last: a node that starts after a crash in between finds none and lets nobody in.
        for entry in sorted(manifest.files, key=lambda entry: entry.name == paths.keys.name):
            _move(staging / entry.name, paths.root / entry.name)
        return Restored(manifest, set_aside)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(archive: tarfile.TarFile, entry: Entry, target: Path) -> None:
    """Write one file and check that it is what the manifest says."""
    try:
        source = _opened(archive, archive.getmember(entry.name))
    except KeyError:
        raise StateError(f"the backup lacks `{entry.name}`; it is damaged") from None
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if (size, digest.hexdigest()) != (entry.size, entry.sha256):
        raise StateError(f"`{entry.name}` in the backup is not what its manifest says; damaged")


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member) if member.isreg() else None
    if opened is None:
        raise StateError(f"`{member.name}` in the backup is not a file")
    return opened


def _set_aside(root: Path, present: list[Path]) -> Path:
    number = 1
    while (folder := root / f"replaced-{number}").exists():
        number += 1
    for path in present:
        _move(path, folder / path.relative_to(root))
    return folder


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source.rename(target)
