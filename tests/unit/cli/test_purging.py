"""What a purge deletes on a node whose learner is elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.label_rows import a_label
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.cli.purging import carried_out
from tidegate.domain.exchange import SharedKeys
from tidegate.domain.label import Purge
from tidegate.learning.audit import Keys, derive, end_user

SHARED = SharedKeys(b"g" * 32, b"r" * 32, b"u" * 32)
OWN = derive(b"p" * 32)
THEIRS = Keys(b"", SHARED.group, SHARED.role, SHARED.user)
NOW = 1_800_000_100.0


@pytest.fixture
def labels(tmp_path: Path) -> Iterator[SqliteLabels]:
    keys = TenantKeys(tmp_path / "label_keys")
    opened = SqliteLabels.open(tmp_path / "labels.sqlite", keys, secret=b"s" * 32)
    users = {"1": end_user(OWN, "acme", "u-17"), "2": end_user(THEIRS, "acme", "u-17"), "3": b"u"}
    opened.add([a_label(number, user=user) for number, user in users.items()])
    yield opened
    opened.close()


def left(labels: SqliteLabels) -> list[str]:
    return [row.row_id for row in labels.every("acme")]


def wanted(user: str | None) -> Purge:
    return Purge("acme", None if user is None else end_user(OWN, "acme", user))


def test_a_node_that_learns_itself_purges_here(labels: SqliteLabels) -> None:
    purged = carried_out(labels, wanted("u-17"), "u-17", only_here=False, now=NOW)
    assert (purged.rows, left(labels)) == (1, ["2", "3"])
    assert labels.outbox.purges() == []


def test_an_end_user_is_found_under_the_keys_of_the_learner_too(labels: SqliteLabels) -> None:
    labels.outbox.keep_keys(SHARED)
    purged = carried_out(labels, wanted("u-17"), "u-17", only_here=False, now=NOW)
    assert (purged.rows, left(labels)) == (2, ["3"])
    [(_, sent)] = labels.outbox.purges()
    assert sent == Purge("acme", end_user(THEIRS, "acme", "u-17"), NOW)


def test_a_whole_tenant_goes_there_as_well(labels: SqliteLabels) -> None:
    labels.outbox.keep_keys(SHARED)
    purged = carried_out(labels, wanted(None), None, only_here=False, now=NOW)
    assert (purged.rows, purged.keys, left(labels)) == (3, ("acme",), [])
    [(_, sent)] = labels.outbox.purges()
    assert sent == Purge("acme", None, NOW)


@pytest.mark.parametrize("purge", [Purge(before=NOW), wanted(None)])
def test_only_here_and_age_alone_leave_the_learner_as_it_is(
    labels: SqliteLabels, purge: Purge
) -> None:
    labels.outbox.keep_keys(SHARED)
    carried_out(labels, purge, None, only_here=purge.tenant is not None, now=NOW)
    assert (left(labels), labels.outbox.purges()) == ([], [])
