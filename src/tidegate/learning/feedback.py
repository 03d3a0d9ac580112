"""How far voluntary feedback may move a head: it fits, and no voice is loud. Pure.

Nobody draws who speaks up, so feedback says nothing about all requests: it never calibrates and
never tests, and nothing is granted by it.
"""

from collections import Counter
from collections.abc import Sequence

from tidegate.domain.label import LabelRow
from tidegate.domain.question import ChoiceValue

MOST_OF_CLASS = 0.01
"""Of the labels of a class that traffic brought: what one end user, or one text with its
near-duplicates, may add; one row at least."""


def fitting(labels: Sequence[LabelRow], feedback: Sequence[LabelRow]) -> list[LabelRow]:
    """Give the feedback that may fit beside `labels`, in the order given.

    A row whose group calibrates or tests is left out: its role is fixed.
    """
    classes = Counter(_class(row.label) for row in labels if row.role == "fit")
    taken: Counter[tuple[tuple[str, ChoiceValue], bytes]] = Counter()
    found = []
    for row in feedback:
        if row.role != "fit":
            continue
        of = _class(row.label)
        most = max(1, int(classes[of] * MOST_OF_CLASS))
        voices = {(of, b"cluster" + row.cluster)}
        if row.user is not None:
            voices.add((of, b"user" + row.user))
        if any(taken[voice] >= most for voice in voices):
            continue
        taken.update(voices)
        found.append(row)
    return found


def _class(label: ChoiceValue) -> tuple[str, ChoiceValue]:
    """Tell `true` from "true"; Python's True also equals 1."""
    return type(label).__name__, label
