"""Reads what a state directory has learned, beside a running node or without one."""

from collections.abc import Sequence
from contextlib import closing

from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.record_reader import open_records
from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.cli.learned_view import LearnedState, Saved, learned_states
from tidegate.domain.guarantee import Guarantee


def learned_at(paths: StatePaths) -> list[LearnedState]:
    """Give all that was learned; nothing where no route ever learned."""
    if not paths.labels.exists():
        return []
    with open_records(paths.ledger, paths.journal) as records:
        saved = {key: Saved(*amounts) for key, amounts in records.saved().items()}
    with (
        closing(SqliteLabels.open_to_read(paths.labels, TenantKeys(paths.label_keys))) as labels,
        closing(SqliteGuarantees.open_to_read(paths.guarantees)) as guarantees,
    ):
        return learned_states(labels, guarantees, saved, SystemClock().now())


def verdicts_at(paths: StatePaths, task: str, count: int = 50) -> Sequence[Guarantee]:
    """Give the last verdicts on a task, newest first."""
    with closing(SqliteGuarantees.open_to_read(paths.guarantees)) as guarantees:
        return guarantees.history(task, count)
