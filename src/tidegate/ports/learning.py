"""Where labels and guarantees are kept."""

from collections.abc import Sequence
from typing import Protocol

from tidegate.domain.guarantee import AttemptLedger, Guarantee
from tidegate.domain.label import LabelCounts, LabelRow, Owner
from tidegate.domain.question import Question


class GuaranteeStore(Protocol):
    """Guarantees and the attempts behind them; every call is durable when it returns.

    Raises StateError where the store cannot be used.
    """

    def load(self, task: str) -> Guarantee | None:
        """Give the newest guarantee of a task, whatever its state and bundle."""
        ...

    def history(self, task: str, count: int) -> Sequence[Guarantee]:
        """Give the last verdicts on a task, newest first."""
        ...

    def save(self, guarantee: Guarantee, ledger: AttemptLedger | None = None) -> None:
        """Make a guarantee the newest of its task, and the ledger with it, or neither.

        Without a ledger that of the task stays: a suspension is no attempt.
        """
        ...

    def standing(self) -> Sequence[Guarantee]:
        """Give the newest guarantee of each task where that is granted."""
        ...

    def succeed(
        self, former: Guarantee | None, guarantee: Guarantee, ledger: AttemptLedger | None = None
    ) -> bool:
        """Save where `former` is still the newest of the task; False where it is not.

        So nobody overwrites what another has decided meanwhile.
        """
        ...

    def ledger(self, task: str) -> AttemptLedger:
        """Give the attempts of a task; an empty ledger when there were none."""
        ...

    def spend(self, task: str, before: AttemptLedger, after: AttemptLedger) -> None:
        """Write down an attempt before a test row is looked at.

        Raises StateError when the stored ledger is no longer `before`: another test has begun.
        """
        ...


class LabelStore(Protocol):
    """Label rows of traffic, sealed under their tenants' keys; bounded.

    Raises StateError where the store cannot be used.
    """

    def add(self, rows: Sequence[LabelRow]) -> int:
        """Store rows that are not there yet, all or none; gives how many are new."""
        ...

    def owners(self) -> Sequence[Owner]:
        """List whose labels there are."""
        ...

    def counts(self, owner: Owner, encoder: str) -> LabelCounts:
        """Count the labelled rows of one owner and encoder."""
        ...

    def rows(self, owner: Owner, encoder: str, since: float = 0.0) -> Sequence[LabelRow]:
        """Give the labelled rows of one owner and encoder received after `since`, oldest first."""
        ...


class AuditBudget(Protocol):
    """Audit calls that a node may make, the same for all its workers and kept over restarts."""

    async def may_audit(self, task: str, limit: int, now: float) -> bool:
        """Spend one call of the task's for the day of `now`; False when `limit` are spent.

        Raises StateError where that cannot be written down.
        """
        ...


class LabelSink(Protocol):
    """Where finished label rows go: a bounded queue before the store. Never waits, never raises."""

    def takes(self, owner: Owner, question: Question) -> bool:
        """Tell whether labels of this owner are kept; there may be too many tasks already."""
        ...

    def offer(self, row: LabelRow) -> None:
        """Take one row; what the queue has no room for is counted as lost."""
        ...

    def answered(self, row: LabelRow) -> None:
        """Take one local answer that feedback may label; no label by itself."""
        ...

    def repeated(self, owner: Owner, model: str, *, is_other: bool) -> None:
        """Count one request that the upstream answered twice, and whether it differed."""
        ...
