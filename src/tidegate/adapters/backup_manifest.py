"""What a backup says of itself: the last member of its archive, and which names may be in it."""

import re
from typing import Annotated

import msgspec

from tidegate.adapters.stores import (
    sqlite_bindings,
    sqlite_guarantees,
    sqlite_labels,
    sqlite_ledger,
)
from tidegate.errors import StateError

MEMBER = "manifest.json"
FORMAT = 1
MOST_BYTES = 16 * 1024 * 1024

_PLAIN = r"(?!\.)[A-Za-z0-9._-]{1,128}"
_NAMES = re.compile(
    r"pepper|keys\.json|pins\.json|(ledger|labels|guarantees|bindings)\.sqlite"
    rf"|label_keys/{_PLAIN}\.key|journal/{_PLAIN}\.jsonl|bundles/{_PLAIN}/{_PLAIN}/{_PLAIN}"
)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the state directory."""

    name: str
    """Its path below the state directory."""
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup. Fields of newer formats are ignored, so that their number can be read."""

    format: int
    tidegate: str
    """The version that wrote it."""
    created: float
    """Seconds since the epoch, UTC."""
    ledger_schema: int
    """0: there is no ledger in it."""
    labels_schema: int = 0
    guarantees_schema: int = 0
    bindings_schema: int = 0
    files: tuple[Entry, ...]


class _Version(msgspec.Struct, frozen=True):
    format: int
    tidegate: str = "unknown"


def decode(content: bytes, archive: str) -> Manifest:
    """Read a manifest; raises StateError for what this version cannot restore."""
    try:
        version = msgspec.json.decode(content, type=_Version)
        if version.format > FORMAT:
            raise _newer(archive, version.tidegate)
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise StateError(
            f"`{archive}` is not a backup of Tidegate: its manifest {error}"
        ) from error
    if (
        manifest.ledger_schema > len(sqlite_ledger.MIGRATIONS)
        or manifest.labels_schema > len(sqlite_labels.MIGRATIONS)
        or manifest.guarantees_schema > len(sqlite_guarantees.MIGRATIONS)
        or manifest.bindings_schema > len(sqlite_bindings.MIGRATIONS)
    ):
        raise _newer(archive, manifest.tidegate)
    names = [entry.name for entry in manifest.files]
    strange = next((name for name in names if not _NAMES.fullmatch(name)), None)
    if strange is not None:
        raise StateError(f"`{archive}` holds {strange!r}, which no backup of Tidegate does")
    if len(set(names)) != len(names):
        raise StateError(f"`{archive}` names a file twice; it is damaged")
    return manifest


def _newer(archive: str, version: str) -> StateError:
    return StateError(
        f"`{archive}` was written by a newer Tidegate ({version}); install that version to"
        " restore it"
    )
