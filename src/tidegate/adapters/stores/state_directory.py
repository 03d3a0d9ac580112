"""The folder in which a node keeps what must survive it: where each file lies, and its checks."""

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_IWOTH

from tidegate.adapters.filesystem import NETWORK, kind_of, read_mounts
from tidegate.errors import StateError


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Where things lie below the state directory."""

    root: Path

    @property
    def lock(self) -> Path:
        """Locked by the process that owns the directory, for its life."""
        return self.root / "node.lock"

    @property
    def pepper(self) -> Path:
        """The secret under which keys are hashed."""
        return self.root / "pepper"

    @property
    def keys(self) -> Path:
        """API keys, hashed."""
        return self.root / "keys.json"

    @property
    def admin_token(self) -> Path:
        """The token of the admin listener."""
        return self.root / "admin.token"

    @property
    def admin_address(self) -> Path:
        """Where the admin listener is: `HOST PORT` or `unix PATH`, written by a running node."""
        return self.root / "admin.address"

    @property
    def journal(self) -> Path:
        """Folder of the journal files, one for each worker."""
        return self.root / "journal"

    @property
    def ledger(self) -> Path:
        """Database of the records."""
        return self.root / "ledger.sqlite"

    @property
    def bindings(self) -> Path:
        """Database of whose the files and batches at upstreams are."""
        return self.root / "bindings.sqlite"

    @property
    def labels(self) -> Path:
        """Database of the labels that traffic brought."""
        return self.root / "labels.sqlite"

    @property
    def label_keys(self) -> Path:
        """Folder of the keys under which labels are sealed, one a tenant."""
        return self.root / "label_keys"

    @property
    def guarantees(self) -> Path:
        """Database of guarantees and of the attempts behind them."""
        return self.root / "guarantees.sqlite"

    @property
    def pins(self) -> Path:
        """Which version of a bundle the operator chose."""
        return self.root / "pins.json"

    @property
    def bundles(self) -> Path:
        """Folder of bundles: `<name>/<version>/`."""
        return self.root / "bundles"


def open_state_directory(root: Path, mounts: Callable[[], str] = read_mounts) -> StatePaths:
    """Make the folder if need be (mode 0700) and check that it is ours to use, on a local disk."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except FileExistsError:
        raise StateError(f"`{root}` is not a folder; choose another with --state") from None
    except OSError as error:
        raise StateError(
            f"The state directory `{root}` cannot be made: {error.strerror};"
            " choose another with --state"
        ) from error
    _check(root, status)
    kind = kind_of(root, mounts())
    if kind in NETWORK:
        raise StateError(
            f"The state directory `{root}` lies on a network file system ({kind}), where locks do"
            " not hold and the ledger can be damaged; choose one on a local disk with --state"
        )
    return StatePaths(root)


def _check(root: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if not S_ISDIR(status.st_mode):
        raise StateError(f"`{root}` is not a folder; choose another with --state")
    # Orchestrators mount volumes that belong to root and to a group of the container's user.
    if status.st_uid not in (user, 0):
        raise StateError(
            f"The state directory `{root}` belongs to {_name(status.st_uid)}, this process runs as"
            f" {_name(user)}; run as that user or choose another with --state"
        )
    if status.st_mode & S_IWOTH:
        raise StateError(
            f"Everybody may write to the state directory `{root}`, so its keys prove nothing;"
            f" run: chmod o-w {root}"
        )
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise StateError(
            f"The state directory `{root}` is not writable for {_name(user)};"
            f" run: chmod u+rwx {root}, or choose another with --state"
        )


def _name(user: int) -> str:
    try:
        return f"`{pwd.getpwuid(user).pw_name}`"
    except KeyError:
        return f"user {user}"
