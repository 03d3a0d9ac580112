"""Carries records from the journal files into the ledger, exactly once, and removes what is moved.

Synchronous: its owner calls `move` in a thread, at start (that is the replay after a crash) and
every fraction of a second. `unmoved` is the read-only look of other processes.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tidegate.domain.journal import sealed_number
from tidegate.domain.record import Record
from tidegate.errors import StateError
from tidegate.wire import journal

_PIECE_BYTES = 1024 * 1024
"""Read and inserted at once: some thousand records, one transaction, one sync of the disk."""


class Sink(Protocol):
    """What the mover needs of a ledger."""

    def position(self, journal_id: str) -> int:
        """Tell up to which byte a journal file has been moved."""
        ...

    def insert(
        self, records: Sequence[Record], journal_id: str, offset: int, raw: Sequence[bytes]
    ) -> None:
        """Take rows and the position behind them in one transaction; `raw`: their lines."""
        ...

    def forget(self, journal_id: str) -> None:
        """Drop the position of a journal file that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """What one call of `move` did."""

    records: int = 0
    torn: int = 0
    """Lines that were no record."""
    files_removed: int = 0


class JournalMover:
    """Moves all `*.jsonl` files of one folder into one ledger; one mover a folder."""

    def __init__(self, folder: Path, sink: Sink) -> None:
        """`folder` need not exist yet."""
        self._folder = folder
        self._sink = sink

    def move(self) -> Moved:
        """Move every complete line there is; raises StateError when the ledger refuses."""
        records = torn = removed = 0
        for path in _files(self._folder):
            try:
                with path.open("rb") as file:
                    moved, journal_id = self._move_file(file)
                    records += moved.records
                    torn += moved.torn
                    if sealed_number(path.name) is not None and _is_finished(file):
                        path.unlink()
                        removed += 1
                        if journal_id is not None:
                            self._sink.forget(journal_id)
            except FileNotFoundError:
                # Renamed by a rotation since it was listed: the next call meets it again.
                continue
            except OSError as error:
                raise StateError(
                    f"The journal file `{path}` cannot be moved into the ledger: {error.strerror}"
                ) from error
        return Moved(records=records, torn=torn, files_removed=removed)

    def _move_file(self, file: BinaryIO) -> tuple[Moved, str | None]:
        """Move the rest of one file; leave it positioned behind its last complete line."""
        journal_id = _identity(file)
        if journal_id is None:
            return Moved(), None
        records = torn = 0
        offset = self._sink.position(journal_id)
        for lines in _pieces(file, offset):
            offset += lines.consumed_bytes
            self._sink.insert(lines.records, journal_id, offset, lines.raw)
            records += len(lines.records)
            torn += lines.torn
        return Moved(records=records, torn=torn), journal_id


def unmoved(folder: Path, sink: Sink) -> Iterator[Record]:
    """Give the records that still lie in the journal, changing nothing.

    A file that the node removes meanwhile is in the ledger by then: read the ledger afterwards.
    """
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                journal_id = _identity(file)
                if journal_id is not None:
                    for lines in _pieces(file, sink.position(journal_id)):
                        yield from lines.records
        except FileNotFoundError:
            continue


def _files(folder: Path) -> list[Path]:
    """List the journal files, sealed ones in the order of their numbers before the current one."""
    return sorted(folder.glob("*.jsonl"))


def _identity(file: BinaryIO) -> str | None:
    """Name the file by its first line; None while that is not complete."""
    first = file.readline()
    return journal.identity(first) if first.endswith(b"\n") else None


def _pieces(file: BinaryIO, offset: int) -> Iterator[journal.Lines]:
    """Read complete lines from `offset` on; leave the file positioned behind the last of them."""
    file.seek(offset)
    size = _PIECE_BYTES
    while piece := file.read(size):
        lines = journal.split(piece)
        if not lines.consumed_bytes and len(piece) == size:
            size *= 2
            file.seek(offset)
            continue
        offset += lines.consumed_bytes
        file.seek(offset)
        if not lines.consumed_bytes:
            return
        yield lines


def _is_finished(file: BinaryIO) -> bool:
    """Tell whether nobody writes to the file any more and all of it has been moved.

    Asked of sealed names only: the current name may mean another file a moment later. What
    stands behind the last complete line of such a file is torn and will never be whole.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    end = file.tell()
    rest = os.fstat(file.fileno()).st_size - end
    if rest <= 0:
        return True
    file.seek(end)
    return b"\n" not in file.read(rest)
