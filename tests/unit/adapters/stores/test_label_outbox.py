"""What waits for a learner: there from the moment it is stored, gone when the learner has it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.label_rows import a_label
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.exchange import AuditCount, AuditReport, SharedKeys
from tidegate.domain.label import Owner, Purge

OWNER = Owner("support", "acme")
KEYS = SharedKeys(b"g" * 32, b"r" * 32, b"u" * 32)
COUNT = AuditCount("b" * 64, 7.0, "language=en", seen=9, accepted=5, disagreed=1)
REPORT = AuditReport("report-1", OWNER, (COUNT,))


def opened(folder: Path, keep_rows: int = 1_000) -> SqliteLabels:
    keys = TenantKeys(folder / "label_keys")
    return SqliteLabels.open(folder / "labels.sqlite", keys, secret=b"s" * 32, keep_rows=keep_rows)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLabels]:
    made = opened(tmp_path)
    yield made
    made.close()


def waiting(store: SqliteLabels) -> list[str]:
    return [one.row.row_id for one in store.outbox.waiting(100)]


def test_rows_for_a_learner_wait_and_others_do_not(store: SqliteLabels) -> None:
    store.add([a_label("1", hashed_for="k"), a_label("2"), a_label("3", hashed_for="")])
    found = store.outbox.waiting(100)
    assert [(one.row.row_id, one.hashed_for) for one in found] == [("1", "k"), ("3", "")]
    assert store.outbox.size() == 2


def test_the_oldest_go_first_and_a_crash_forgets_none(store: SqliteLabels, tmp_path: Path) -> None:
    store.add([a_label(str(number), hashed_for="k") for number in range(5)])
    assert [one.row.row_id for one in store.outbox.waiting(2)] == ["0", "1"]
    store.outbox.done(["0", "1"])
    after_the_crash = opened(tmp_path)
    assert waiting(after_the_crash) == ["2", "3", "4"]
    after_the_crash.close()


def test_a_task_that_is_held_does_not_hold_up_others(store: SqliteLabels) -> None:
    other = Owner("other", "acme")
    store.add([a_label("1", hashed_for="k"), a_label("2", hashed_for="k", owner=other)])
    found = store.outbox.waiting(100, but=[("support", "acme")])
    assert [one.row.row_id for one in found] == ["2"]


def test_what_goes_before_it_was_sent_is_counted(tmp_path: Path) -> None:
    store = opened(tmp_path, keep_rows=100)
    rows = [a_label(str(n), hashed_for="k", role="test", time=float(n)) for n in range(130)]
    store.add(rows)
    store.prune(now=10.0, days=1.0)
    store.outbox.sweep(10)
    assert (len(store.outbox.waiting(500)), store.outbox.dropped()) == (100, 30)
    assert store.outbox.waiting(1)[0].row.row_id == "30"
    store.outbox.sweep(10)
    assert store.outbox.dropped() == 30
    store.close()


def test_a_purge_takes_what_waits_with_it(store: SqliteLabels) -> None:
    bravo = replace(OWNER, tenant="bravo")
    store.add([a_label("1", hashed_for="k"), a_label("2", hashed_for="k", tenant="bravo")])
    store.add([a_label("3", hashed_for="k", tenant="bravo", owner=bravo)])
    store.purge(Purge(tenant="acme"))
    assert waiting(store) == ["2", "3"]


def test_counts_take_the_place_of_their_rows_in_one_step(
    store: SqliteLabels, tmp_path: Path
) -> None:
    store.add([a_label("1", hashed_for="")])
    store.outbox.done(["1"], REPORT)
    after_the_crash = opened(tmp_path)
    assert (waiting(after_the_crash), after_the_crash.outbox.reports(5)) == ([], [REPORT])
    after_the_crash.outbox.reported("report-1")
    assert after_the_crash.outbox.reports(5) == []
    after_the_crash.close()


def test_a_report_that_comes_twice_is_counted_once(store: SqliteLabels) -> None:
    store.add([a_label("1")])
    assert store.outbox.count(REPORT)
    store.add([a_label("2")])
    assert not store.outbox.count(REPORT)
    assert store.outbox.counted(OWNER, 7.0) == [(1, COUNT)]
    assert store.outbox.counted(OWNER, 8.0) == []


def test_a_purge_for_the_learner_spares_what_comes_after_it(store: SqliteLabels) -> None:
    store.outbox.forward(Purge(tenant="acme"), now=50.0)
    store.outbox.forward(Purge(tenant="acme", user=b"u", before=20.0), now=60.0)
    (number, whole), (_, one) = store.outbox.purges()
    assert whole == Purge("acme", None, 50.0)
    assert one == Purge("acme", b"u", 20.0)
    store.outbox.purged(number)
    assert [purge for _, purge in store.outbox.purges()] == [one]


def test_the_learners_keys_survive_a_restart(store: SqliteLabels, tmp_path: Path) -> None:
    assert store.outbox.keys() is None
    store.outbox.keep_keys(KEYS)
    after = opened(tmp_path)
    assert after.outbox.keys() == KEYS
    after.close()
