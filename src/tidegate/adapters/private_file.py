"""Small files that only their owner may read, replaced as a whole or not at all.

A crash leaves the old content or the new, never a part. Whoever changes one holds its lock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO

from tidegate.errors import StateError

_OTHERS = 0o077


def read_private(path: Path) -> bytes | None:
    """Give the content; None when there is no such file. Refuses one that others may read."""
    try:
        with path.open("rb") as file:
            mode = S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"`{path}` cannot be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise StateError(
            f"`{path}` holds a secret and others may access it (mode {mode:04o});"
            f" run: chmod 600 {path}"
        )
    return content


def replace_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, mode 0600, on the disk before this returns. Hold the lock."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StateError(f"`{path}` cannot be written: {error.strerror}") from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Lend a private file that becomes `path` when the block succeeds; raises OSError."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def create_once(path: Path, content: bytes) -> bytes:
    """Give what the file holds; `content` becomes that when there is no file yet."""
    with locked(path):
        present = read_private(path)
        if present is None:
            replace_private(path, content)
            return content
        return present


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes that would change `path` waiting, for the milliseconds it takes."""
    try:
        descriptor = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise StateError(f"`{path}` cannot be locked: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
