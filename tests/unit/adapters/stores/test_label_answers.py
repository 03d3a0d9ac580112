"""Answers that feedback may label: no labels until somebody speaks, bounded, purged for good."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.label_rows import a_label
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.feedback import Feedback, FeedbackCounts
from tidegate.domain.label import FitMark, LabelCounts, LabelRow, Owner, Purge

OWNER = Owner("support", "acme")
ENCODER = "e" * 64
NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLabels]:
    opened = opened_in(tmp_path)
    yield opened
    opened.close()


def opened_in(folder: Path, keep_rows: int = 1_000) -> SqliteLabels:
    keys = TenantKeys(folder / "label_keys")
    return SqliteLabels.open(folder / "labels.sqlite", keys, secret=b"s" * 32, keep_rows=keep_rows)


def local(row_id: str = "r1/0", **changes: object) -> LabelRow:
    return a_label(row_id, **{"origin": "local", "share": 0.0, **changes})


def said(row: LabelRow, *, is_local: bool = True, is_error: bool = True) -> Feedback:
    given = a_label(
        row.row_id, owner=row.owner, tenant=row.tenant, user=row.user, origin="feedback",
        label="order", time=row.time,
    )  # fmt: skip
    return Feedback(given, "user", NOW + 60.0, is_local=is_local, is_error=is_error)


def test_a_local_answer_is_kept_and_is_no_label(store: SqliteLabels) -> None:
    store.answers.add([local()])
    found = store.answers.find("r1/0")
    assert found is not None
    assert (found.row.label, found.is_local, found.is_stated) == ("refund", True, False)
    assert store.counts(OWNER, ENCODER) == LabelCounts()
    assert (store.rows(OWNER, ENCODER), store.answers.stated(OWNER, ENCODER)) == ([], [])


def test_feedback_completes_it_once(store: SqliteLabels) -> None:
    store.answers.add([local()])
    assert store.answers.state(said(local()))
    assert not store.answers.state(said(local()))
    (row,) = store.answers.stated(OWNER, ENCODER)
    assert (row.label, row.origin, row.role) == ("order", "feedback", "fit")
    assert store.answers.counts(OWNER) == FeedbackCounts(1, 1)
    assert store.counts(OWNER, ENCODER) == LabelCounts()


def test_what_an_upstream_answered_stays_as_it_said_it(store: SqliteLabels) -> None:
    store.add([a_label("r1/0")])
    found = store.answers.find("r1/0")
    assert found is not None
    assert not found.is_local
    assert store.answers.state(said(found.row, is_local=False))
    assert not store.answers.state(said(found.row, is_local=False))
    assert [row.label for row in store.rows(OWNER, ENCODER)] == ["refund"]
    # Another answer of the upstream's is not an error of this node.
    assert store.answers.counts(OWNER) == FeedbackCounts(1, 0)


def test_an_answer_that_is_gone_takes_no_feedback(store: SqliteLabels) -> None:
    assert not store.answers.state(said(local()))
    assert store.answers.find("r1/0") is None


def test_of_waiting_answers_the_newest_stay_and_feedback_stays(tmp_path: Path) -> None:
    store = opened_in(tmp_path, keep_rows=3)
    store.answers.add([local("r0/0")])
    store.answers.state(said(local("r0/0")))
    store.answers.add([local(f"r{n}/0") for n in range(1, 10)])
    kept = [n for n in range(10) if store.answers.find(f"r{n}/0")]
    assert kept == [0, 7, 8, 9]
    store.close()


def test_what_is_too_old_goes(store: SqliteLabels) -> None:
    store.answers.add([local("1/0"), local("2/0"), local("3/0", time=NOW + 5 * DAY)])
    store.answers.state(said(local("1/0")))
    store.answers.prune(NOW + 8 * DAY, days=90.0, waiting_days=7.0)
    assert [bool(store.answers.find(f"{n}/0")) for n in (1, 2, 3)] == [True, False, True]
    store.answers.prune(NOW + 91 * DAY, days=90.0, waiting_days=7.0)
    assert store.answers.find("1/0") is None


def test_a_purge_takes_answers_too_and_names_what_was_fitted_on_feedback(
    store: SqliteLabels,
) -> None:
    row = local(user=b"u1")
    store.answers.add([row, local("r2/0", user=b"u2")])
    store.answers.state(said(row))
    store.mark_fitted(FitMark(OWNER, "v0", last_row=0, fitted_at=NOW))
    store.mark_fitted(FitMark(OWNER, "v1", last_row=0, fitted_at=NOW + 120.0))

    purged = store.purge(Purge(tenant="acme", user=b"u1"))

    assert (purged.rows, purged.keys) == (1, ())
    assert [mark.version for mark in purged.bundles] == ["v1"]
    assert store.purge(Purge(tenant="acme")).keys == ("acme",)
    assert not list(store.every(None))


def test_an_export_has_them(store: SqliteLabels) -> None:
    store.add([a_label("1/0")])
    store.answers.add([local("2/0")])
    assert [row.origin for row in store.every("acme")] == ["audit", "local"]


def test_nothing_personal_is_readable_on_disk(store: SqliteLabels, tmp_path: Path) -> None:
    store.answers.add([local(text="my parcel is lost")])
    store.answers.state(said(local()))
    content = b"".join(path.read_bytes() for path in tmp_path.glob("labels.sqlite*"))
    assert b"parcel" not in content
    assert b"refund" not in content
