"""One budget of audit calls for all workers, over restarts and clocks that jump."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_labels import SqliteLabels

DAY = 86_400.0
NOON = 20_000.5 * DAY


class Workers:
    """Two processes on one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = [self.opened(), self.opened()]

    def opened(self) -> SqliteLabels:
        keys = TenantKeys(self.folder / "label_keys")
        return SqliteLabels.open(self.folder / "labels.sqlite", keys, secret=b"s" * 32)

    def spend(self, now: float, *, limit: int = 3, tries: int = 10, task: str = "intent") -> int:
        """Try in turns; gives how many calls were allowed."""
        return sum(self.stores[number % 2].audits.take(task, limit, now) for number in range(tries))

    def restart(self) -> None:
        for store in self.stores:
            store.close()
        self.stores = [self.opened(), self.opened()]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    yield made
    for store in made.stores:
        store.close()


def test_workers_share_one_budget_and_a_restart_keeps_it(workers: Workers) -> None:
    assert workers.spend(NOON) == 3
    workers.restart()
    assert workers.spend(NOON + 60.0) == 0
    assert workers.spend(NOON + DAY) == 3


def test_each_task_has_its_own(workers: Workers) -> None:
    assert workers.spend(NOON) == 3
    assert workers.spend(NOON, task="other", tries=2) == 2


def test_a_clock_that_goes_back_gives_no_budget_twice(workers: Workers) -> None:
    assert workers.spend(NOON - DAY, tries=2) == 2
    assert workers.spend(NOON) == 3
    assert workers.spend(NOON - DAY) == 1
    assert workers.spend(NOON) == 0


def test_a_clock_that_jumps_forward_gives_one_day_more_at_most(workers: Workers) -> None:
    assert workers.spend(NOON) == 3
    assert workers.spend(NOON + 365 * DAY) == 3
    assert workers.spend(NOON) == 0
    # Nor does the wrong day eat those that come.
    assert workers.spend(NOON + DAY) == 3


def test_no_budget_allows_nothing(workers: Workers) -> None:
    assert workers.spend(NOON, limit=0) == 0
