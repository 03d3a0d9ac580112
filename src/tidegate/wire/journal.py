"""Records as lines of JSON: how they stand in the journal, in the ledger and in `--json` output.

A line is one object and a newline. A line that does not decode (torn by a full disk or a power
cut) is counted and skipped; a last line without its newline is not there yet.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from tidegate.domain.record import Record
from tidegate.wire.surrogates import without_surrogates

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


@dataclass(frozen=True, slots=True)
class Lines:
    """What a piece of a journal holds."""

    records: tuple[Record, ...]
    raw: tuple[bytes, ...]
    """Their lines, as they stand in the journal."""
    torn: int
    """Lines that are no record."""
    consumed_bytes: int
    """Up to and including the last newline."""


def encode(record: Record) -> bytes:
    """Give the line of a record, newline included."""
    try:
        return _encoder.encode(record) + b"\n"
    except UnicodeEncodeError:
        return _encoder.encode(without_surrogates(msgspec.to_builtins(record))) + b"\n"


def decode(line: bytes) -> Record:
    """Read one line back; raises msgspec.DecodeError when it is not a record."""
    return _decoder.decode(line)


def split(piece: bytes) -> Lines:
    """Read all complete lines of a piece that starts at the start of a line."""
    end = piece.rfind(b"\n") + 1
    records: list[Record] = []
    raw: list[bytes] = []
    torn = 0
    for line in piece[:end].split(b"\n"):
        if not line.strip():
            continue
        try:
            records.append(_decoder.decode(line))
        except msgspec.DecodeError:
            torn += 1
        else:
            raw.append(line)
    return Lines(tuple(records), tuple(raw), torn=torn, consumed_bytes=end)


def identity(first_line: bytes) -> str:
    """Name a journal file by its first line: request ids are unique, so no two files agree.

    Unlike a path or an inode this survives renaming, copying and a restored backup.
    """
    return hashlib.blake2b(first_line, digest_size=16).hexdigest()
