"""Answers under a guarantee, counted over workers, restarts and crashes."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.guarantees import GRANTED
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.errors import StateError
from tidegate.gateway.watch import Watch
from tidegate.node.answer_tally import AnswerTally

GRANT = GRANTED.grant


class Worker:
    """One serving process, as far as it counts."""

    def __init__(self, folder: Path, number: int = 0) -> None:
        self.store = SqliteGuarantees.open(folder / "guarantees.sqlite")
        self.watch = Watch()
        self.tally = AnswerTally(self.store, self.watch, number)

    async def gives(self, count: int) -> None:
        self.watch.delivered([GRANT] * count)
        await self.tally.write()

    @property
    def sum(self) -> int:
        return self.store.answers(GRANT)


async def test_workers_add_up_and_a_clean_end_counts_exactly(tmp_path: Path) -> None:
    one, two = Worker(tmp_path, 0), Worker(tmp_path, 1)
    await one.gives(5)
    await one.gives(3)
    await two.gives(7)
    one.watch.delivered([GRANT])
    one.tally.close()
    two.tally.close()

    again = Worker(tmp_path)
    assert again.sum == 5 + 3 + 7 + 1
    again.tally.close()


async def test_a_killed_process_has_counted_rather_too_many(tmp_path: Path) -> None:
    killed = Worker(tmp_path)
    await killed.gives(4)
    killed.watch.delivered([GRANT] * 8)
    # Nothing is written any more: as many as two busy rounds are counted already.
    assert killed.sum == 4 + 8

    after = Worker(tmp_path)
    await after.gives(1)
    assert after.sum == 4 + 8 + 1 + 2
    after.tally.close()
    killed.store.close()


async def test_nothing_given_is_nothing_to_write(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.store.close()
    await worker.tally.write()


async def test_what_the_disk_refuses_is_counted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)

    def full(*_: object) -> None:
        raise StateError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(worker.store, "count", full)
        with pytest.raises(StateError):
            await worker.gives(6)
    await worker.gives(1)
    worker.tally.close()
    after = Worker(tmp_path)
    assert after.sum == 7
    after.tally.close()


async def test_a_newer_grant_counts_from_zero(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    await worker.gives(6)
    worker.store.save(GRANTED)
    assert worker.sum > 0
    worker.store.save(replace(GRANTED, granted_at=GRANTED.granted_at + 1.0))
    assert worker.sum == 0
    worker.tally.close()
