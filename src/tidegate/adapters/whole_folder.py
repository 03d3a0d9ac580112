"""A folder of files that appears whole or not at all: written beside, synced, renamed."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_whole_folder(target: Path, files: Mapping[str, bytes], *, mode: int) -> None:
    """Write `files` as the new folder `target`; raises OSError and then leaves nothing.

    A crash leaves a hidden folder that the next write of the same name removes. The files' mode is
    that of the folder without its right to search.
    """
    draft = target.with_name(f".{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(mode=mode)
        for name, content in files.items():
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            descriptor = os.open(draft / name, flags, mode & 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        _sync(draft)
        draft.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
