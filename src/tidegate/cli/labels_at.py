"""Opens the label store of a state directory, beside a running node or without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.config.load import default_state_directory
from tidegate.errors import StateError
from tidegate.node.learning import open_labels


@contextmanager
def opened_labels(state: Path | None) -> Iterator[SqliteLabels]:
    """Lend the store for reading; an empty one where nothing was learned."""
    paths = StatePaths(state or default_state_directory())
    labels = SqliteLabels.open_to_read(paths.labels, TenantKeys(paths.label_keys))
    try:
        yield labels
    finally:
        labels.close()


@contextmanager
def writable_labels(state: Path | None) -> Iterator[SqliteLabels]:
    """Lend the store for writing; raises StateError where nothing was learned."""
    paths = StatePaths(state or default_state_directory())
    if not paths.labels.exists():
        raise StateError(f"there are no labels in `{paths.root}`; name it with --state")
    labels = open_labels(paths, pepper_of(paths), keep_rows=0)
    try:
        yield labels
    finally:
        labels.close()


def pepper_of(paths: StatePaths) -> bytes:
    """Give the secret under which users are hashed."""
    return KeyFile(paths.keys, paths.pepper).load().pepper
