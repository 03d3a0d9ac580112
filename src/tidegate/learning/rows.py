"""Labelled rows from a file of JSON lines, checked as a whole before anything is fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tidegate.domain.question import ChoiceValue, Question
from tidegate.errors import FitError

FEWEST_ROWS = 10
FEWEST_LABELS = 2
MOST_LABELS = 1000
MOST_SHOWN = 10
"""Problems named in one error; the rest is counted."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file."""

    text: str
    label: str | bool | None
    """None: out of scope, no label fits; such rows teach what not to answer."""
    family: str | None = None
    """Rows of one family (paraphrases, one author) never stand on both sides of a measurement."""


@dataclass(frozen=True, slots=True)
class _Labelled:
    text: str
    label: ChoiceValue
    family: str | None


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows that can be fitted on."""

    texts: tuple[str, ...]
    labels: tuple[ChoiceValue, ...]
    """All labels, in order: those of the question, else sorted."""
    targets: tuple[int, ...]
    """Index of each row's label."""
    groups: tuple[str, ...]
    """What keeps rows together: the family, else the text itself."""
    outside: tuple[str, ...]
    """Texts that are out of scope."""
    contradictions: int
    """Texts that occur with more than one label. They stay: they show how sure one can be."""


def read_rows(data: bytes, *, source: str) -> tuple[Row, ...]:
    """Read JSON lines; raises FitError naming the lines that are wrong, `source` being the file."""
    rows: list[Row] = []
    problems: list[str] = []
    decoder = msgspec.json.Decoder(Row)
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(f"line {number}: {error}")
            continue
        problem = _problem(row)
        if problem is None:
            rows.append(row)
        else:
            problems.append(f"line {number}: {problem}")
    if problems:
        shown = "\n  ".join(problems[:MOST_SHOWN])
        more = len(problems) - MOST_SHOWN
        rest = f"\n  and {more} more" if more > 0 else ""
        raise FitError(
            f"{source}: {len(problems)} lines are not rows such as"
            f' {{"text": "...", "label": "..."}} (and, optionally, "family"):\n  {shown}{rest}'
        )
    return tuple(rows)


def training_set(given: Sequence[Row], question: Question | None) -> TrainingSet:
    """Check the rows together, and against the question's options where there is one."""
    rows = [_Labelled(row.text, row.label, row.family) for row in given if row.label is not None]
    if len(rows) < FEWEST_ROWS:
        raise FitError(f"{len(rows)} rows are too few; give {FEWEST_ROWS} or more.")
    seen = {row.label for row in rows}
    if len(seen) < FEWEST_LABELS:
        raise FitError("All rows have the same label; give rows of at least two.")
    if len(seen) > MOST_LABELS:
        raise FitError(f"{len(seen)} labels are too many for one head; at most {MOST_LABELS}.")
    labels = _sorted_labels(seen) if question is None else options(question)
    if question is not None:
        _compare(seen, labels, question)
    positions = {label: i for i, label in enumerate(labels)}
    return TrainingSet(
        texts=tuple(row.text for row in rows),
        labels=labels,
        targets=tuple(positions[row.label] for row in rows),
        groups=_groups(rows),
        outside=tuple(row.text for row in given if row.label is None),
        contradictions=_contradictions(rows),
    )


def options(question: Question) -> tuple[ChoiceValue, ...]:
    """Give the labels that rows for this question carry: true and false for a predicate."""
    if question.type == "predicate":
        return (True, False)
    return tuple(option.value for option in question.options)


def _problem(row: Row) -> str | None:
    if not row.text.strip():
        return "`text` is empty"
    if row.label == "":
        return "`label` is empty"
    if row.family == "":
        return "`family` is empty; leave it out instead"
    return None


def _sorted_labels(seen: set[ChoiceValue]) -> tuple[ChoiceValue, ...]:
    """Sort by JSON type, then value, so that the order of rows does not matter."""
    return tuple(sorted(seen, key=lambda label: (isinstance(label, str), label)))


def _compare(seen: set[ChoiceValue], labels: Sequence[ChoiceValue], question: Question) -> None:
    unknown = seen.difference(labels)
    missing = [label for label in labels if label not in seen]
    if not unknown and not missing:
        return
    found = []
    if unknown:
        found.append(f"rows have labels that it does not: {_listed(_sorted_labels(unknown))}")
    if missing:
        found.append(f"no row has: {_listed(missing)}")
    hint = ""
    if question.type == "predicate" and unknown <= {"true", "false"}:
        hint = ' Write the labels of a predicate as true and false, not "true" and "false".'
    raise FitError(
        "The labels are not the options of the task's question; "
        f"{'; '.join(found)}. A bundle must know each option.{hint}"
    )


def _listed(labels: Sequence[ChoiceValue]) -> str:
    shown = ", ".join(msgspec.json.encode(label).decode() for label in labels[:MOST_SHOWN])
    return shown if len(labels) <= MOST_SHOWN else f"{shown} and {len(labels) - MOST_SHOWN} more"


def _groups(rows: Sequence[_Labelled]) -> tuple[str, ...]:
    """Keep equal texts together, and families; a text in two families joins them."""
    parents: dict[str, str] = {}
    for row in rows:
        text = _root(parents, f"text:{plain(row.text)}")
        if row.family is not None:
            parents[text] = _root(parents, f"family:{row.family}")
    return tuple(_root(parents, f"text:{plain(row.text)}") for row in rows)


def _root(parents: dict[str, str], member: str) -> str:
    """Follow a member to the one that stands for its group (union-find)."""
    while (parent := parents.setdefault(member, member)) != member:
        member = parent
    return member


def plain(text: str) -> str:
    """Give the text without case and spacing, in which two rows count as the same."""
    return " ".join(text.casefold().split())


def _contradictions(rows: Sequence[_Labelled]) -> int:
    labels: Mapping[str, set[ChoiceValue]] = {plain(row.text): set() for row in rows}
    for row in rows:
        labels[plain(row.text)].add(row.label)
    return sum(len(found) > 1 for found in labels.values())
