"""Where records of requests go, and where they are found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.domain.record import Record


class Journal(Protocol):
    """Where a record is made safe before the last byte of its answer leaves."""

    def append(self, record: Record) -> None:
        """Append by one write; never blocks on a lock or the network.

        Keeps a bounded number in memory while the disk refuses, then counts what is lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over a group of records; money in micro-USD, times in seconds."""

    group: str
    requests: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int
    estimated: int
    p50_s: float
    p99_s: float


class Ledger(Protocol):
    """Records that have been moved into the store, for reading."""

    def tail(self, count: int) -> Sequence[Record]:
        """Give the newest records, oldest of them first."""
        ...

    def find(self, request_id: str) -> Record | None:
        """Give one record, or None."""
        ...

    def totals(self, by: str, since: float | None = None) -> Sequence[Total]:
        """Sum by `source`, `tier`, `tenant`, `model`, `upstream` or `surface`."""
        ...
