"""The journal: one `write()` of one line per record, so that a killed process loses none.

What the process wrote is in the kernel's hands and survives `kill -9`; a power cut may lose what
the kernel had not written out yet. `journal_mover.py` carries the lines on into the ledger.
"""

import fcntl
import os
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from tidegate.adapters.process_lock import lock_for_life
from tidegate.domain.journal import JournalHealth, current_name, sealed_name, sealed_number
from tidegate.domain.record import Record
from tidegate.errors import StateError
from tidegate.wire import journal

PENDING_LIMIT = 10_000
"""Records kept in memory while the disk refuses: about 12 MB."""

ROTATE_BYTES = 32 * 1024 * 1024
"""A file is sealed beyond this size, so that the mover can remove it."""

_BATCH = 64
"""Pending records written at once when the disk works again, so that no request waits long."""

_FLUSH_BATCHES = 16
"""One flush takes a few milliseconds at most: it runs on the event loop."""


class JournalFile:
    """Implements `ports.Journal` on `FOLDER/NAME.jsonl`; one writer, one thread.

    Each start and each rotation seal the file before it as `NAME.NUMBER.jsonl`. A start has to:
    after a power cut a file may be shorter than what the ledger already took from it, and nothing
    may be appended below that mark.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "worker-0",
        pending_limit: int = PENDING_LIMIT,
        rotate_bytes: int = ROTATE_BYTES,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        """`write` is the system call; another one only to imitate a failing disk."""
        self._folder = folder
        self._name = name
        self._path = folder / current_name(name)
        self._rotate_bytes = rotate_bytes
        self._write = write
        self._pending: deque[bytes] = deque(maxlen=pending_limit)
        self._lost = 0
        self._last_error: str | None = None
        self._is_torn = False
        self._size = 0
        self._file = -1
        self._unlock: Callable[[], None] | None = None

    def open(self) -> None:
        """Take the lock, seal what an earlier process left and start a new file.

        Raises StateError when another process holds the lock or the folder cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._folder / f"{self._name}.lock"
            self._unlock = lock_for_life(lock, "The journal in", "stop that node")
            self._start_file()
        except OSError as error:
            self.close()
            raise StateError(
                f"The journal `{self._path}` cannot be written: {error.strerror};"
                " check the folder's owner and mode, and the space left on the disk"
            ) from error

    def append(self, record: Record) -> None:
        """Write one record now, or keep it while the disk refuses; never raises for the disk."""
        line = journal.encode(record)
        if self._pending or self._is_torn:
            self._keep(line)
            self._catch_up()
            return
        try:
            written = self._write(self._file, line)
        except OSError as error:
            self._last_error = error.strerror
            self._keep(line)
            return
        self._size += written
        if written != len(line):
            self._finish(line, written)
        elif self._size >= self._rotate_bytes:
            self._rotate()

    def flush(self) -> None:
        """Try again to write what is pending; for a timer, so that recovery needs no traffic."""
        for _ in range(_FLUSH_BATCHES):
            if not (self._pending or self._is_torn) or not self._catch_up():
                return

    def health(self) -> JournalHealth:
        """Tell what is pending, what was lost and why."""
        return JournalHealth(
            pending=len(self._pending), lost=self._lost, last_error=self._last_error
        )

    def close(self) -> None:
        """Write what is pending if the disk lets us, and release the lock."""
        if self._file >= 0:
            while self._pending and self._catch_up():
                pass
            os.close(self._file)
            self._file = -1
        if self._unlock is not None:
            self._unlock()
            self._unlock = None

    def _keep(self, line: bytes) -> None:
        if len(self._pending) == self._pending.maxlen:
            self._lost += 1
        self._pending.append(line)

    def _catch_up(self) -> bool:
        """Write some of what is pending; tell whether the disk took it."""
        # While the disk refuses, one line is enough to ask whether it still does.
        return (self._last_error is None or self._write_batch(1)) and self._write_batch(_BATCH)

    def _write_batch(self, count: int) -> bool:
        """Write that many of the pending records; tell whether all of them were written."""
        batch = list(islice(self._pending, count))
        prefix = b"\n" if self._is_torn else b""
        try:
            written = self._write(self._file, prefix + b"".join(batch))
        except OSError as error:
            self._last_error = error.strerror
            return False
        self._size += written
        if written:
            self._is_torn = False
        written -= len(prefix)
        for line in batch:
            if written < len(line):
                return self._finish_batch(line, written)
            written -= len(line)
            self._pending.popleft()
        self._last_error = None
        return True

    def _finish_batch(self, line: bytes, written: int) -> bool:
        """Deal with a batch cut inside `line`, which is the oldest pending one."""
        if written > 0:
            self._pending.popleft()
            self._finish(line, written, is_oldest=True)
        return False

    def _finish(self, line: bytes, written: int, *, is_oldest: bool = False) -> None:
        """Write the rest of a line cut short, else mark the file as torn and keep the line.

        When only the newline is missing the record is whole: the next write brings it.
        """
        try:
            self._size += (more := self._write(self._file, line[written:]))
            written += more
        except OSError as error:
            self._last_error = error.strerror
        if written == len(line):
            return
        self._is_torn = written > 0
        if written < len(line) - 1:
            if is_oldest:
                self._pending.appendleft(line)
            else:
                self._keep(line)

    def _rotate(self) -> None:
        full = self._file
        try:
            self._start_file()
        except OSError as error:
            # The open file still takes records, whatever its name is now.
            self._last_error = error.strerror
            self._size = 0
            return
        self._last_error = None
        os.close(full)

    def _start_file(self) -> None:
        """Seal the current file and put a new one in its place.

        The new one is locked before the mover can see it: an unlocked file is a finished one.
        """
        new = self._folder / f"{self._name}.new"
        file = os.open(
            new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            seal(self._path)
            new.rename(self._path)
        except OSError:
            os.close(file)
            raise
        self._file = file
        self._size = 0


def seal_all(folder: Path) -> None:
    """Seal what all workers of an earlier process left; nobody may be writing in the folder."""
    for path in sorted(folder.glob("*.jsonl")):
        if sealed_number(path.name) is None:
            seal(path)


def seal(path: Path) -> None:
    """Give a current file, if there is one, the next number of its worker."""
    name = path.stem
    numbers = [
        number
        for other in path.parent.glob(f"{name}.*.jsonl")
        if (number := sealed_number(other.name)) is not None
    ]
    if path.exists():
        path.rename(path.with_name(sealed_name(name, max(numbers, default=0) + 1)))
