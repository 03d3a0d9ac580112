"""Labelled rows from a file of JSON lines, checked as a whole before anything is fitted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tidegate.domain.question import ChoiceValue, Question
from tidegate.domain.text import is_blank
from tidegate.errors import FitError

T = TypeVar("T")

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
    region: str | None = None
    """Where the text came from; a guarantee then parts requests by region too."""


class RequestRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a file of requests that ask several questions."""

    text: str
    labels: dict[str, str | bool | None]
    """By the name of the task."""
    family: str | None = None
    region: str | None = None


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
    decode = msgspec.json.Decoder(Row).decode

    def read(line: bytes) -> Row:
        return _checked(decode(line))

    like = '{"text": "...", "label": "..."} (and, optionally, "family", "region")'
    return _read(data, read, source=source, like=like)


def read_requests(data: bytes, tasks: Sequence[str], *, source: str) -> list[tuple[Row, ...]]:
    """Read JSON lines of requests that ask all these tasks' questions; gives the rows of each."""
    decode = msgspec.json.Decoder(RequestRow).decode

    def read(line: bytes) -> tuple[Row, ...]:
        row = decode(line)
        if row.labels.keys() != set(tasks):
            named = ", ".join(f"`{task}`" for task in tasks)
            raise FitError(f"`labels` must name exactly {named}")
        return tuple(
            _checked(Row(row.text, row.labels[task], row.family, row.region)) for task in tasks
        )

    named = ", ".join(f'"{task}": "..."' for task in tasks)
    like = f'{{"text": "...", "labels": {{{named}}}}}'
    found = _read(data, read, source=source, like=like)
    return [tuple(rows[place] for rows in found) for place in range(len(tasks))]


def _read(data: bytes, read: Callable[[bytes], T], *, source: str, like: str) -> tuple[T, ...]:
    rows: list[T] = []
    problems: list[str] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(read(line))
        except (msgspec.DecodeError, UnicodeDecodeError, FitError) as error:
            problems.append(f"line {number}: {error}")
    if problems:
        shown = "\n  ".join(problems[:MOST_SHOWN])
        more = len(problems) - MOST_SHOWN
        rest = f"\n  and {more} more" if more > 0 else ""
        raise FitError(
            f"{source}: {len(problems)} lines are not rows such as {like}:\n  {shown}{rest}"
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


def _checked(row: Row) -> Row:
    if is_blank(row.text):
        raise FitError("`text` is empty, or shows nothing")
    if row.label == "":
        raise FitError("`label` is empty")
    for name, value in (("family", row.family), ("region", row.region)):
        if value == "":
            raise FitError(f"`{name}` is empty; leave it out instead")
    return row


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
