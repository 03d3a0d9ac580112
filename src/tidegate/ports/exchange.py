"""The learner of a task as nodes that collect for it, or serve what it taught, reach it."""

from collections.abc import Sequence
from typing import Protocol

from tidegate.domain.exchange import AuditReport, Offers
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Question


class TaskLearner(Protocol):
    """Another node that fits, tests and grants.

    Each call raises UpstreamError: UpstreamStatus with the learner's own words where it refuses.
    """

    async def offers(self, zone: str, known: str | None) -> tuple[Offers, str] | None:
        """Give what it has for a node of this zone, and its tag; None: still what `known` names."""
        ...

    async def bundle(self, zone: str, name: str, version: str) -> bytes:
        """Give one version of a bundle as an archive."""
        ...

    async def take_labels(self, owner: Owner, question: Question, rows: Sequence[LabelRow]) -> int:
        """Have it store rows of one tenant and one encoder; gives how many were new to it."""
        ...

    async def take_counts(self, tenant: str, report: AuditReport, question: Question) -> None:
        """Have it count audits whose rows do not travel."""
        ...

    async def purge(self, tenant: str, purge: Purge) -> None:
        """Have it delete the rows of a tenant that it was sent."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
