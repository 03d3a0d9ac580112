"""The label store: sealed, bounded, purged for good."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.label_rows import a_label
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_labels import MIGRATIONS, SqliteLabels
from tidegate.domain.label import FitMark, Owner, Purge
from tidegate.errors import StateError

OWNER = Owner("support", "acme")
OTHER = Owner("support", "bravo")
ENCODER = "e" * 64
DAY = 86_400.0
NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteLabels]:
    opened = opened_in(folder)
    yield opened
    opened.close()


def opened_in(folder: Path, keep_rows: int = 1_000) -> SqliteLabels:
    keys = TenantKeys(folder / "label_keys")
    return SqliteLabels.open(folder / "labels.sqlite", keys, secret=b"s" * 32, keep_rows=keep_rows)


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("labels.sqlite*"))


def test_a_row_comes_back_as_it_was(store: SqliteLabels) -> None:
    row = a_label(user=b"u1", text="Where is it?", language="en", stratum=2, share=0.02)

    assert store.add([row]) == 1

    (found,) = store.rows(OWNER, ENCODER)
    assert np.array_equal(found.vector, row.vector)
    for name in ("row_id", "owner", "label", "probabilities", "user", "text", "share", "stratum"):
        assert getattr(found, name) == getattr(row, name), name


def test_a_predicate_s_label_stays_a_boolean(store: SqliteLabels) -> None:
    store.add([a_label("1", label=True), a_label("2", label="true")])
    assert [row.label for row in store.rows(OWNER, ENCODER)] == [True, "true"]
    assert store.counts(OWNER, ENCODER).classes == 2


def test_a_row_is_stored_once(store: SqliteLabels) -> None:
    assert store.add([a_label("1"), a_label("2")]) == 2
    assert store.add([a_label("2"), a_label("3")]) == 1
    assert store.counts(OWNER, ENCODER).rows == 3


def test_nothing_personal_lies_on_the_disk_in_the_clear(store: SqliteLabels, folder: Path) -> None:
    row = a_label(label="a-telling-label", text="a telling text")
    store.add([row])
    content = everything_on_disk(folder)
    assert b"telling" not in content
    assert row.vector.astype("<f2").tobytes() not in content


def test_counts_are_by_use(store: SqliteLabels) -> None:
    store.add(
        [
            a_label("1", role="fit"),
            a_label("2", role="fit", origin="escalated"),
            a_label("3", role="test"),
            a_label("4", role="test", origin="escalated"),
            a_label("5", role="calibrate", label="other"),
        ]
    )
    counts = store.counts(OWNER, ENCODER)
    assert (counts.fit, counts.calibrate, counts.test) == (2, 1, 1)
    assert (counts.rows, counts.classes) == (5, 2)
    assert counts.by_origin == {"audit": 3, "escalated": 2}


def test_owners_and_encoders_do_not_mix(store: SqliteLabels) -> None:
    store.add([a_label("1"), a_label("2", owner=OTHER, tenant="bravo")])
    store.add([a_label("3", encoder="f" * 64)])
    assert [row.row_id for row in store.rows(OWNER, ENCODER)] == ["1"]
    assert store.owners() == [OWNER, OTHER]


def test_two_processes_write(store: SqliteLabels, folder: Path) -> None:
    beside = opened_in(folder)
    for number in range(10):
        assert (store if number % 2 else beside).add([a_label(str(number))]) == 1
    beside.close()
    assert store.counts(OWNER, ENCODER).rows == 10


def test_rows_of_a_class_are_bounded_by_a_fair_draw(folder: Path) -> None:
    store = opened_in(folder, keep_rows=60)
    store.add([a_label(f"common {n}", label="common") for n in range(200)])
    store.add([a_label(f"rare {n}", label="rare") for n in range(10)])
    store.prune(NOW, days=1)

    kept = [row.row_id for row in store.rows(OWNER, ENCODER)]
    common = [int(one.split()[1]) for one in kept if one.startswith("common")]

    assert len(common) == 30
    assert len(kept) == 40
    # Neither the first nor the last that came: 30 of 200 evenly have a mean near 100.
    assert 60 < sum(common) / 30 < 140
    store.close()


def test_which_rows_stay_does_not_hang_on_the_order(tmp_path: Path) -> None:
    kept = []
    for name, numbers in (("a", range(100)), ("b", reversed(range(100)))):
        (tmp_path / name).mkdir()
        store = opened_in(tmp_path / name, keep_rows=20)
        for number in numbers:
            store.add([a_label(str(number))])
            store.prune(NOW, days=1)
        kept.append({row.row_id for row in store.rows(OWNER, ENCODER)})
        store.close()
    assert kept[0] == kept[1]
    assert len(kept[0]) == 20


def test_the_sample_that_measures_loses_its_oldest(folder: Path) -> None:
    store = opened_in(folder, keep_rows=20)
    store.add([a_label(str(number), role="test") for number in range(30)])
    store.prune(NOW, days=1)
    assert [row.row_id for row in store.rows(OWNER, ENCODER)] == [str(n) for n in range(10, 30)]
    store.close()


def test_rows_have_a_time_to_live(store: SqliteLabels) -> None:
    store.add([a_label("old", time=NOW - 91 * DAY), a_label("new", time=NOW - 89 * DAY)])
    assert store.prune(NOW, days=90) == 1
    assert [row.row_id for row in store.rows(OWNER, ENCODER)] == ["new"]


def test_purging_a_tenant_destroys_its_key(store: SqliteLabels, folder: Path) -> None:
    store.add([a_label("1"), a_label("2", owner=OTHER, tenant="bravo")])
    key = folder / "label_keys" / "acme.key"
    assert key.stat().st_mode & 0o777 == 0o600

    purged = store.purge(Purge(tenant="acme"))

    assert (purged.rows, purged.keys) == (1, ("acme",))
    assert not key.exists()
    assert (folder / "label_keys" / "bravo.key").exists()
    assert [row.row_id for row in store.rows(OTHER, ENCODER)] == ["2"]


def test_a_purged_tenant_can_come_back(store: SqliteLabels) -> None:
    store.add([a_label("1")])
    store.purge(Purge(tenant="acme"))
    store.add([a_label("2")])
    assert [row.row_id for row in store.rows(OWNER, ENCODER)] == ["2"]


def test_a_copy_of_the_database_is_unreadable_once_the_key_is_gone(
    store: SqliteLabels, folder: Path
) -> None:
    store.add([a_label("1")])
    TenantKeys(folder / "label_keys").destroy("acme")
    with pytest.raises(StateError, match="labels purge --tenant acme"):
        store.rows(OWNER, ENCODER)


def test_a_row_sealed_for_one_request_is_not_taken_for_another(
    store: SqliteLabels, folder: Path
) -> None:
    store.add([a_label("1"), a_label("2", label="other")])
    raw = sqlite3.connect(folder / "labels.sqlite")
    raw.execute(
        "UPDATE labels SET sealed = (SELECT sealed FROM labels WHERE row_id = '2')"
        " WHERE row_id = '1'"
    )
    raw.commit()
    raw.close()
    with pytest.raises(StateError, match="sealed under another key"):
        store.rows(OWNER, ENCODER)


def test_purging_a_user_names_the_bundles_it_touched(store: SqliteLabels) -> None:
    store.add([a_label("1"), a_label("2", user=b"u1"), a_label("3")])
    store.mark_fitted(FitMark(OWNER, "1-aaaaaaaaaaaa", last_row=1, fitted_at=NOW))
    store.mark_fitted(FitMark(OWNER, "2-bbbbbbbbbbbb", last_row=3, fitted_at=NOW + 1))
    store.mark_fitted(FitMark(OTHER, "1-cccccccccccc", last_row=3, fitted_at=NOW + 2))

    purged = store.purge(Purge(tenant="acme", user=b"u1"))

    assert (purged.rows, purged.keys) == (1, ())
    assert [mark.version for mark in purged.bundles] == ["2-bbbbbbbbbbbb"]
    assert [mark.is_stale for mark in store.fits(OWNER)] == [False, True]


def test_purging_by_age_takes_what_is_older(store: SqliteLabels) -> None:
    store.add([a_label("old", time=NOW - 1), a_label("new", time=NOW)])
    assert store.purge(Purge(before=NOW)).rows == 1
    assert [row.row_id for row in store.rows(OWNER, ENCODER)] == ["new"]


def test_a_purge_without_a_condition_is_refused(store: SqliteLabels) -> None:
    with pytest.raises(StateError, match="--tenant"):
        store.purge(Purge())


def test_a_full_disk_is_an_error_and_loses_nothing(store: SqliteLabels) -> None:
    store.add([a_label("1")])
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateError, match="full"):
        store.add([a_label(str(number), text="x" * 2_000) for number in range(100)])
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert store.counts(OWNER, ENCODER).rows == 1
    assert store.add([a_label("2")]) == 1


def test_a_newer_file_is_refused(folder: Path) -> None:
    opened_in(folder).close()
    raw = sqlite3.connect(folder / "labels.sqlite")
    raw.execute("UPDATE schema_version SET version = ?", (len(MIGRATIONS) + 1,))
    raw.commit()
    raw.close()
    with pytest.raises(StateError, match="newer Tidegate"):
        opened_in(folder)


@pytest.mark.parametrize(
    ("task", "tenant"),
    [("a.b", "c"), ("a", "b.c"), ("A", "b"), ("a", "B"), ("a" * 60, "b" * 60)],
)
def test_no_two_owners_share_a_name(task: str, tenant: str) -> None:
    others = [Owner("a", "b"), Owner("a.b.c", "*"), Owner("a.b", "*")]
    assert Owner(task, tenant).key not in {other.key for other in others}
    assert Owner("a.b", "c").key != Owner("a", "b.c").key
