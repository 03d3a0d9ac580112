"""API keys in one file of the state directory, shared by a running node and `tidegate keys`.

Holds hashes under a pepper that lies in a file of its own. Who may do what is `policy/keys.py`'s.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec

from tidegate.adapters.private_file import create_once, locked, read_private, replace_private
from tidegate.domain.identity import Identity, Role, Scope
from tidegate.domain.key import KeyRow
from tidegate.errors import StateError

MAX_KEYS = 10_000
"""About 3 MB; whoever needs more wants another store."""

_PEPPER_BYTES = 32
_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """All keys as they stood at one moment."""

    pepper: bytes = b""
    rows: tuple[KeyRow, ...] = ()


class KeyFile:
    """Reads and changes the file of keys; one object for each process is enough."""

    def __init__(
        self, keys: Path, pepper: Path, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Keep the paths; nothing is read or made."""
        self._keys = keys
        self._pepper_path = pepper
        self._random_bytes = random_bytes
        self._stamp: _Stamp = None

    def load(self) -> KeySnapshot:
        """Read all keys; makes the pepper when neither it nor keys exist.

        Raises StateError when a file is damaged; `changed` is then false until it is replaced, so
        a node that keeps its last snapshot reports the damage once.
        """
        self._stamp = self._look()
        return self.peek()

    def peek(self) -> KeySnapshot:
        """Read all keys as `load` does, and leave `changed` as it is."""
        return KeySnapshot(pepper=self._pepper(), rows=tuple(self._read()))

    def changed(self) -> bool:
        """Tell whether the file differs from what `load` last read; costs one `stat`."""
        return self._look() != self._stamp

    def add(self, row: KeyRow) -> None:
        """Store one more key."""
        with locked(self._keys):
            rows = self._read()
            if len(rows) >= MAX_KEYS:
                raise StateError(f"`{self._keys}` holds {MAX_KEYS} keys, its limit")
            if any(row.identity.key_id == known.identity.key_id for known in rows):
                raise StateError(f"the key `{row.identity.key_id}` exists already")
            self._write([*rows, row])

    def revoke(self, key_id: str, now: float) -> KeyRow:
        """Mark a key as revoked and give its row; one that is revoked already stays as it was."""
        with locked(self._keys):
            rows = self._read()
            for position, row in enumerate(rows):
                if row.identity.key_id == key_id:
                    revoked = row if row.revoked is not None else replace(row, revoked=now)
                    self._write([*rows[:position], revoked, *rows[position + 1 :]])
                    return revoked
        raise StateError(f"there is no key `{key_id}` in `{self._keys}`; see `tidegate keys list`")

    def _look(self) -> _Stamp:
        try:
            status = self._keys.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _pepper(self) -> bytes:
        if self._look() is not None and not self._pepper_path.exists():
            raise StateError(
                f"`{self._pepper_path}` is gone and without it no key in `{self._keys}` can be"
                " checked; restore it, or delete that file and make new keys"
            )
        pepper = create_once(self._pepper_path, self._random_bytes(_PEPPER_BYTES))
        if len(pepper) != _PEPPER_BYTES:
            raise StateError(
                f"`{self._pepper_path}` must hold {_PEPPER_BYTES} bytes, not {len(pepper)};"
                f" restore it, or delete it together with `{self._keys}` and make new keys"
            )
        return pepper

    def _read(self) -> list[KeyRow]:
        content = read_private(self._keys)
        if content is None:
            return []
        try:
            stored = msgspec.json.decode(content, type=_Stored)
        except msgspec.MsgspecError as error:
            raise StateError(
                f"`{self._keys}` is damaged ({error}); restore it, or delete it and make new keys"
            ) from error
        return [_to_row(key) for key in stored.keys]

    def _write(self, rows: Sequence[KeyRow]) -> None:
        stored = _Stored(keys=[_from_row(row) for row in rows])
        replace_private(self._keys, msgspec.json.format(msgspec.json.encode(stored)) + b"\n")


class _StoredKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    tenant: Annotated[str, msgspec.Meta(min_length=1)]
    role: Role
    scopes: list[Scope]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    created: float
    expires: float | None = None
    revoked: float | None = None
    note: str = ""


class _Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keys: Annotated[list[_StoredKey], msgspec.Meta(max_length=MAX_KEYS)]
    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1


def _to_row(key: _StoredKey) -> KeyRow:
    identity = Identity(
        tenant=key.tenant, key_id=key.id, role=key.role, scopes=frozenset(key.scopes)
    )
    return KeyRow(
        identity=identity,
        digest=key.digest,
        created=key.created,
        expires=key.expires,
        revoked=key.revoked,
        note=key.note,
    )


def _from_row(row: KeyRow) -> _StoredKey:
    return _StoredKey(
        id=row.identity.key_id,
        tenant=row.identity.tenant,
        role=row.identity.role,
        scopes=sorted(row.identity.scopes),
        digest=row.digest,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        note=row.note,
    )
