"""The store of guarantees: what was promised, and what attempts have spent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.guarantees import GRANTED
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.domain.guarantee import AttemptLedger
from tidegate.errors import StateError
from tidegate.learning.attempts import begun


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteGuarantees]:
    opened = SqliteGuarantees.open(tmp_path / "guarantees.sqlite")
    yield opened
    opened.close()


def test_a_guarantee_comes_back_as_it_was(store: SqliteGuarantees) -> None:
    store.save(GRANTED)
    assert store.load("support") == GRANTED
    assert store.load("other") is None


def test_the_newest_verdict_counts_and_earlier_ones_stay(store: SqliteGuarantees) -> None:
    suspended = replace(GRANTED, state="suspended", reason="the upstream's model changed")
    store.save(GRANTED)
    store.save(suspended)
    assert store.load("support") == suspended
    assert list(store.history("support", 5)) == [suspended, GRANTED]


def test_a_suspension_leaves_the_ledger_as_it_was(store: SqliteGuarantees) -> None:
    ledger = begun(AttemptLedger())
    store.save(GRANTED, ledger)
    store.save(replace(GRANTED, state="suspended"))
    assert store.ledger("support") == ledger


def test_an_attempt_is_spent_before_it_is_known_what_comes_of_it(
    store: SqliteGuarantees, tmp_path: Path
) -> None:
    before = store.ledger("support")
    store.spend("support", before, begun(before))
    after_the_crash = SqliteGuarantees.open(tmp_path / "guarantees.sqlite")
    assert after_the_crash.ledger("support").attempts == 1
    after_the_crash.close()


def test_of_two_fitters_one_tests(store: SqliteGuarantees, tmp_path: Path) -> None:
    beside = SqliteGuarantees.open(tmp_path / "guarantees.sqlite")
    seen = beside.ledger("support")
    store.spend("support", store.ledger("support"), begun(AttemptLedger()))
    with pytest.raises(StateError, match="another process"):
        beside.spend("support", seen, begun(seen))
    beside.close()
    assert store.ledger("support").attempts == 1


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    empty = SqliteGuarantees.open_to_read(tmp_path / "none.sqlite")
    assert (empty.load("support"), empty.ledger("support")) == (None, AttemptLedger())
