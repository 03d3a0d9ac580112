"""Which labels `tidegate labels purge` deletes, here and at the learner."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.cli.labels_at import pepper_of
from tidegate.config.load import default_state_directory
from tidegate.domain.label import Purge, Purged
from tidegate.errors import ConfigError
from tidegate.learning.audit import Keys, derive, end_user


def purge_of(tenant: str | None, user: str | None, before: str | None, state: Path | None) -> Purge:
    """Read what is to go; raises ConfigError."""
    if tenant is None and before is None:
        raise ConfigError("name what to purge: --tenant, --user with --tenant, or --before")
    hashed = None
    if user is not None:
        if tenant is None:
            raise ConfigError("--user needs --tenant: the same name is another person elsewhere")
        pepper = pepper_of(StatePaths(state or default_state_directory()))
        hashed = end_user(derive(pepper), tenant, user)
    return Purge(tenant, hashed, None if before is None else _moment(before))


def carried_out(
    labels: SqliteLabels, wanted: Purge, user: str | None, *, only_here: bool, now: float
) -> Purged:
    """Purge what lies here, and have the learner do so where another node learns.

    Rows that may travel are hashed under the learner's keys, earlier ones under this node's own.
    """
    shared = labels.outbox.keys()
    if shared is None or wanted.tenant is None:
        return labels.purge(wanted)
    theirs = wanted
    if user is not None:
        keys = Keys(draw=b"", group=shared.group, role=shared.role, user=shared.user)
        theirs = replace(wanted, user=end_user(keys, wanted.tenant, user))
    if not only_here:
        labels.outbox.forward(theirs, now)
    first = labels.purge(wanted)
    if theirs == wanted:
        return first
    second = labels.purge(theirs)
    bundles = tuple(dict.fromkeys((*first.bundles, *second.bundles)))
    return Purged(first.rows + second.rows, (*first.keys, *second.keys), bundles)


def _moment(written: str) -> float:
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise ConfigError(
            f"--before is {written!r}; write it as 2026-11-25 or 2026-11-25T12:00:00Z"
        ) from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return found.timestamp()
