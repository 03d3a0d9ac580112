"""One version of a bundle as one file: a plain tar archive, the same bytes each time.

`manifest.json` first, then the files it lists by name; no folders, links, times or owners. It is
written whole or not at all, and read into memory within bounds before anything of it is used.
"""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from tidegate.adapters.private_file import replacing
from tidegate.domain.bundle import PLAIN_NAME
from tidegate.errors import BundleError, StateError

FIRST = "manifest.json"
MOST_FILES = 16
MOST_BYTES = 256 * 1024 * 1024
"""As of a version in the state directory."""

_SUFFIX = ".bundle.tar"


def archive_name(name: str, version: str) -> str:
    """Give the file name that an archive has unless told otherwise."""
    return f"{name}-{version}{_SUFFIX}"


def write_archive(path: Path, files: Mapping[str, bytes]) -> int:
    """Write the archive and give its size; raises StateError, and then nothing is there."""
    try:
        with replacing(path) as file:
            _write(file, files)
        return path.stat().st_size
    except OSError as error:
        raise StateError(f"`{path}` cannot be written: {error.strerror or error}") from error


def to_archive(files: Mapping[str, bytes]) -> bytes:
    """Give the archive in memory, as it travels from node to node."""
    made = io.BytesIO()
    _write(made, files)
    return made.getvalue()


def read_archive(path: Path) -> dict[str, bytes]:
    """Read the files of an archive; raises BundleError for anything that is not exactly one."""
    try:
        with path.open("rb") as file:
            return _read(file, f"`{path}`")
    except FileNotFoundError as error:
        raise StateError(f"there is no file `{path}`") from error
    except OSError as error:
        raise StateError(f"`{path}` cannot be read: {error.strerror or error}") from error


def from_archive(content: bytes, where: str) -> dict[str, bytes]:
    """Read the files of an archive in memory; `where` says in errors what it is."""
    return _read(io.BytesIO(content), where)


FORMAT = tarfile.USTAR_FORMAT


def _write(file: BinaryIO, files: Mapping[str, bytes]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=FORMAT) as made:
        for name in sorted(files, key=lambda name: (name != FIRST, name)):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            info.mode = 0o600
            made.addfile(info, io.BytesIO(files[name]))


def _read(file: BinaryIO, where: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                size += member.size
                _check(where, member, files, size)
                opened = archive.extractfile(member)
                files[member.name] = b"" if opened is None else opened.read()
    except tarfile.TarError as error:
        raise BundleError(
            f"{where} is not the archive of a bundle, or it is cut: {error}; get it again"
        ) from error
    if next(iter(files), None) != FIRST:
        raise BundleError(f"{where} does not begin with `{FIRST}`: it is no archive of a bundle")
    return files


def _check(where: str, member: tarfile.TarInfo, seen: Mapping[str, bytes], size: int) -> None:
    """Refuse a member before its content is read."""
    if not member.isreg() or member.issparse() or not PLAIN_NAME.fullmatch(member.name):
        raise BundleError(f"{where} holds {member.name!r}, which is no plain file of a bundle")
    if member.name in seen:
        raise BundleError(f"{where} holds {member.name!r} twice; it is damaged")
    if len(seen) == MOST_FILES or size > MOST_BYTES:
        raise BundleError(f"{where} holds more than {MOST_FILES} files or {MOST_BYTES} bytes")
