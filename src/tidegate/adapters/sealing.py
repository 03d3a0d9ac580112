"""Seals what is personal under a key of its tenant: AES-256-GCM, a fresh nonce each time.

Keys are files of mode 0600, one a tenant. Whoever destroys one makes all that it sealed unreadable,
copies of the database included (backups that hold the key excepted).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tidegate.adapters.private_file import create_once, locked, read_private
from tidegate.errors import MissingExtra, StateError

KEY_BYTES = 32
NONCE_BYTES = 12

_Stamp = tuple[int, int]


class _Cipher(Protocol):
    """Authenticated encryption under one key."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...


class TenantKeys:
    """The keys of one state directory."""

    def __init__(self, folder: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        """Nothing is read or made; raises MissingExtra where sealing is not installed."""
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise MissingExtra("cryptography", "learn") from error
        self._cipher: Callable[[bytes], _Cipher] = AESGCM
        self._invalid = InvalidTag
        self._folder = folder
        self._random_bytes = random_bytes
        self._known: dict[str, tuple[_Stamp, _Cipher]] = {}

    def seal(self, tenant: str, plain: bytes, about: bytes) -> bytes:
        """Encrypt under the tenant's key, which is made when there is none; binds `about`."""
        nonce = self._random_bytes(NONCE_BYTES)
        return nonce + self._of(tenant, is_made=True).encrypt(nonce, plain, about)

    def open(self, tenant: str, sealed: bytes, about: bytes) -> bytes:
        """Decrypt; raises StateError where the key is another or gone, or bytes were changed."""
        cipher = self._of(tenant, is_made=False)
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
        except self._invalid as error:
            raise StateError(
                f"labels of tenant `{tenant}` were sealed under another key than that in"
                f" `{self._path(tenant)}`; restore it, or run: tidegate labels purge --tenant"
                f" {tenant}"
            ) from error

    def destroy(self, tenant: str) -> bool:
        """Overwrite and remove the key; tells whether there was one."""
        path = self._path(tenant)
        self._known.pop(tenant, None)
        if not path.exists():
            return False
        with locked(path):
            try:
                with path.open("r+b") as file:
                    file.write(bytes(KEY_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
                path.unlink()
            except OSError as error:
                raise StateError(f"`{path}` cannot be destroyed: {error.strerror}") from error
        return True

    def _of(self, tenant: str, *, is_made: bool) -> _Cipher:
        path = self._path(tenant)
        known = self._known.get(tenant)
        if known is not None and known[0] == _look(path):
            return known[1]
        if is_made:
            self._make_folder()
            key = create_once(path, self._random_bytes(KEY_BYTES))
        else:
            key = read_private(path) or b""
        if len(key) != KEY_BYTES:
            raise StateError(
                f"`{path}` must hold the {KEY_BYTES} bytes under which labels of tenant `{tenant}`"
                f" are sealed, not {len(key)}; restore it, or run: tidegate labels purge --tenant"
                f" {tenant}"
            )
        cipher = self._cipher(key)
        stamp = _look(path)
        if stamp is not None:
            self._known[tenant] = stamp, cipher
        return cipher

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateError(f"`{self._folder}` cannot be made: {error.strerror}") from error

    def _path(self, tenant: str) -> Path:
        # Tenants are plain names (`config/words.py`), which cannot lead out of the folder.
        return self._folder / f"{tenant}.key"


def _look(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
