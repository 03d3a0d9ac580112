"""Every journal makes a record readable as soon as `append` returns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.records import a_record
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.journal_mover import JournalMover
from tidegate.adapters.stores.memory_journal import MemoryJournal
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.domain.journal import JournalHealth
from tidegate.domain.record import Record
from tidegate.ports.records import Journal


class Pair:
    """A journal, how to read it back, and what it says of itself."""

    def __init__(
        self,
        journal: Journal,
        tail: Callable[[int], Sequence[Record]],
        find: Callable[[str], Record | None],
        health: Callable[[], JournalHealth],
    ) -> None:
        self.journal = journal
        self.tail = tail
        self.find = find
        self.health = health


def in_memory(_folder: Path) -> Iterator[Pair]:
    made = MemoryJournal()
    yield Pair(made, made.tail, made.find, made.health)


def in_files(folder: Path) -> Iterator[Pair]:
    with closing(JournalFile(folder / "journal")) as made:
        made.open()
        with closing(SqliteLedger.open(folder / "ledger.sqlite")) as ledger:
            mover = JournalMover(folder / "journal", ledger)

            def tail(count: int) -> Sequence[Record]:
                mover.move()
                return ledger.tail(count)

            def find(request_id: str) -> Record | None:
                mover.move()
                return ledger.find(request_id)

            yield Pair(made, tail, find, made.health)


@pytest.fixture(params=[in_memory, in_files])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    yield from request.param(tmp_path)


def test_an_appended_record_is_found_unchanged(pair: Pair) -> None:
    pair.journal.append(a_record("r1"))
    assert pair.find("r1") == a_record("r1")
    assert pair.find("r2") is None


def test_the_tail_is_the_newest_in_order_of_time(pair: Pair) -> None:
    for number in (2, 0, 1):
        pair.journal.append(a_record(f"r{number}", time=float(number)))
    assert [record.request_id for record in pair.tail(2)] == ["r1", "r2"]
    assert pair.tail(0) == ()


def test_a_journal_that_works_is_well(pair: Pair) -> None:
    pair.journal.append(a_record())
    assert pair.health() == JournalHealth(pending=0, lost=0, last_error=None)
    assert pair.health().is_well
