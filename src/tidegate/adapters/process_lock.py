"""A lock file held for the life of a process: the kernel lets go of it however the process ends."""

import fcntl
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tidegate.errors import StateError


def lock_for_life(path: Path, what: str, remedy: str) -> Callable[[], None]:
    """Lock a file, leave the process id in it and give what unlocks it.

    Raises StateError when another process holds it, with `what` it guards and the `remedy`.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise StateError(
            f"{what} `{path.parent}` is in use by process {owner or 'unknown'};"
            f" {remedy} or give this one another `--state`"
        ) from None
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        # The id is for people; a full disk must not keep a node from starting.
        pass
    return partial(os.close, lock)
