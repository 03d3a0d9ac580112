"""A sink of label rows that keeps them in memory: the fake of the real one, for tests."""

from collections import Counter

from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.question import Question


class MemoryLabels:
    """Implements `ports.LabelSink`."""

    def __init__(self, most_owners: int = 1_000) -> None:
        """Nothing is there yet."""
        self.rows: list[LabelRow] = []
        self.answers: list[LabelRow] = []
        self.questions: dict[Owner, Question] = {}
        self.repeats: Counter[tuple[Owner, str, bool]] = Counter()
        self._most_owners = most_owners

    def takes(self, owner: Owner, question: Question) -> bool:
        """Take as many owners as there may be."""
        if owner not in self.questions and len(self.questions) >= self._most_owners:
            return False
        self.questions.setdefault(owner, question)
        return True

    def offer(self, row: LabelRow) -> None:
        """Keep a row."""
        self.rows.append(row)

    def answered(self, row: LabelRow) -> None:
        """Keep a local answer."""
        self.answers.append(row)

    def repeated(self, owner: Owner, model: str, *, is_other: bool) -> None:
        """Count."""
        self.repeats[owner, model, is_other] += 1
