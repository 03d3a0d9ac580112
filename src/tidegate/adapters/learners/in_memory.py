"""A learner in memory: the fake of the real one, for tests."""

from collections.abc import Sequence

from tidegate.domain.exchange import AuditReport, Offers
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Question
from tidegate.errors import UpstreamError, UpstreamStatus

NOT_FOUND = 404
TOO_LARGE = 413


class MemoryLearner:
    """Implements `ports.exchange.TaskLearner`."""

    def __init__(self, offers: Offers) -> None:
        """It has these offers, and no bundle, until told otherwise."""
        self.has = offers
        self.archives: dict[tuple[str, str], bytes] = {}
        self.rows: dict[str, LabelRow] = {}
        self.reports: dict[str, AuditReport] = {}
        self.purges: list[tuple[str, Purge]] = []
        self.most_rows = 500
        """Of one batch."""
        self.fails: UpstreamError | None = None
        """Raised by every call while it is set."""

    async def offers(self, zone: str, known: str | None) -> tuple[Offers, str] | None:
        """Give the offers; their tag is what they say."""
        self._fail()
        tag = f"{zone} {self.has}"
        return None if tag == known else (self.has, tag)

    async def bundle(self, zone: str, name: str, version: str) -> bytes:
        """Give an archive."""
        self._fail()
        del zone
        if (name, version) not in self.archives:
            raise UpstreamStatus("learner", NOT_FOUND)
        return self.archives[name, version]

    async def take_labels(self, owner: Owner, question: Question, rows: Sequence[LabelRow]) -> int:
        """Keep rows that are not there yet."""
        self._fail()
        del owner, question
        if len(rows) > self.most_rows:
            raise UpstreamStatus("learner", TOO_LARGE)
        before = len(self.rows)
        for row in rows:
            self.rows.setdefault(row.row_id, row)
        return len(self.rows) - before

    async def take_counts(self, tenant: str, report: AuditReport, question: Question) -> None:
        """Keep a report."""
        self._fail()
        del tenant, question
        self.reports.setdefault(report.report_id, report)

    async def purge(self, tenant: str, purge: Purge) -> None:
        """Note it."""
        self._fail()
        self.purges.append((tenant, purge))

    async def close(self) -> None:
        """Nothing is open."""

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails
