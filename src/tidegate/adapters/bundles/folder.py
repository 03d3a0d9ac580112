"""Bundles as folders: `ROOT/<name>/<version>/`, each written once, whole or not at all.

It keeps and gives back the content of files; what they mean is read by `bundles/manifest.py`.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tidegate.adapters.whole_folder import write_whole_folder
from tidegate.domain.bundle import PLAIN_NAME, VERSION
from tidegate.errors import BundleError, StateError

MOST_FILES = 16
MOST_BYTES = 256 * 1024 * 1024
"""Of one version, all files together: 1,000 labels on 384 dimensions take 1.5 MB."""


class BundleFolder:
    """The bundles of one state directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str, version: str) -> Path:
        """Give the folder of one version; refuses names that could lead elsewhere."""
        if not VERSION.fullmatch(version):
            raise BundleError(f"{version!r} is not a version of a bundle, as in `3-0a1b2c3d4e5f`.")
        return self._of(name) / version

    def names(self) -> tuple[str, ...]:
        """List the bundles of which there is a version."""
        try:
            found = sorted(entry.name for entry in self._root.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(self._root, error) from error
        return tuple(name for name in found if PLAIN_NAME.fullmatch(name) and self.versions(name))

    def versions(self, name: str) -> tuple[str, ...]:
        """List the versions of a bundle, oldest first."""
        folder = self._of(name)
        try:
            found = [entry.name for entry in folder.iterdir() if entry.is_dir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(folder, error) from error
        return tuple(sorted((v for v in found if VERSION.fullmatch(v)), key=_number))

    def latest(self, name: str) -> str | None:
        """Give the newest version; None when there is none."""
        versions = self.versions(name)
        return versions[-1] if versions else None

    def next_number(self, name: str) -> int:
        """Give the number that the next version gets."""
        latest = self.latest(name)
        return 1 if latest is None else _number(latest) + 1

    def read(self, name: str, version: str) -> dict[str, bytes]:
        """Read all files of one version."""
        folder = self.path(name, version)
        files: dict[str, bytes] = {}
        size = 0
        try:
            for entry in sorted(folder.iterdir()):
                if entry.is_symlink() or not entry.is_file():
                    raise BundleError(f"{folder}: `{entry.name}` is not a plain file; remove it.")
                size += entry.stat().st_size
                if len(files) == MOST_FILES or size > MOST_BYTES:
                    raise BundleError(
                        f"{folder} holds more than {MOST_FILES} files or {MOST_BYTES} bytes."
                    )
                files[entry.name] = entry.read_bytes()
        except FileNotFoundError as error:
            known = ", ".join(self.versions(name)) or "none"
            raise BundleError(
                f"There is no version {version} of bundle `{name}` (there are: {known})."
            ) from error
        except OSError as error:
            raise _unusable(folder, error) from error
        return files

    def write(self, name: str, version: str, files: Mapping[str, bytes]) -> Path:
        """Add a version; it appears with all its files synced, or not at all."""
        target = self.path(name, version)
        for file in files:
            if not PLAIN_NAME.fullmatch(file):
                raise BundleError(f"{file!r} cannot name a file of a bundle.")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _lock(target.parent):
                if _number(version) < self.next_number(name):
                    raise BundleError(
                        f"Bundle `{name}` got a version {_number(version)} in the meantime;"
                        " train again."
                    )
                write_whole_folder(target, files, mode=0o700)
        except OSError as error:
            raise _unusable(target, error) from error
        return target

    def add(self, name: str, version: str, files: Mapping[str, bytes]) -> Path:
        """Add a version made elsewhere, newest or not, under a number that is free."""
        target = self.path(name, version)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _lock(target.parent):
                if _number(version) in {_number(one) for one in self.versions(name)}:
                    raise BundleError(
                        f"Bundle `{name}` got a version {_number(version)} in the meantime;"
                        " unpack again."
                    )
                write_whole_folder(target, files, mode=0o700)
        except OSError as error:
            raise _unusable(target, error) from error
        return target

    def mend(self, name: str, version: str, files: Mapping[str, bytes]) -> Path:
        """Put a version that is damaged back as it was; who reads meanwhile finds it or none."""
        target = self.path(name, version)
        damaged = target.with_name(f".{version}.damaged")
        mended = target.with_name(f".{version}.mended")
        try:
            with _lock(target.parent):
                shutil.rmtree(damaged, ignore_errors=True)
                shutil.rmtree(mended, ignore_errors=True)
                write_whole_folder(mended, files, mode=0o700)
                target.rename(damaged)
                mended.rename(target)
                shutil.rmtree(damaged, ignore_errors=True)
        except OSError as error:
            raise _unusable(target, error) from error
        return target

    def _of(self, name: str) -> Path:
        if not PLAIN_NAME.fullmatch(name):
            raise BundleError(
                f"{name!r} cannot name a bundle; use 1 to 64 of a-z, 0-9, `.`, `_`, `-`."
            )
        return self._root / name


def _number(version: str) -> int:
    return int(version.partition("-")[0])


def _unusable(path: Path, error: OSError) -> StateError:
    return StateError(f"{path} cannot be used: {error.strerror or error}.")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other processes from numbering a version at the same moment."""
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
