"""YAML text to plain values that remember their lines. Knows YAML, nothing of Tidegate's settings.

Scalars are read as YAML 1.2 says, as editors do: `no`, `off` and `12:30` are texts, not a false
and a number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from math import isfinite
from re import Pattern
from typing import TypeVar

import yaml

from tidegate.config.problem import Path, Problem, spell

Entry = TypeVar("Entry")

MAX_BYTES = 1 << 20
_MAX_VALUES = 50_000
_MAX_DEPTH = 32
_MAX_DIGITS = 20

_TAG = "tag:yaml.org,2002:"
_REAL = (
    r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
)
_CORE_SCHEMA = (
    (f"{_TAG}null", r"^(~|null|Null|NULL|)$", ("~", "n", "N", "")),
    (f"{_TAG}bool", r"^(true|True|TRUE|false|False|FALSE)$", tuple("tTfF")),
    (f"{_TAG}int", r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", tuple("-+0123456789")),
    (f"{_TAG}float", _REAL, tuple("-+.0123456789")),
)

Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None


@dataclass(slots=True)
class Document:
    """The value of a file, the line on which each part begins, and what was wrong with it."""

    value: Value = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    left_out: set[Path] = field(default_factory=set)
    """Entries of lists that were too wrong to be used."""

    def line(self, path: Path) -> int | None:
        """Give the line of a setting, or of the nearest one around it that stands in the file."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def entries(self, path: Path, used: Sequence[Entry]) -> list[tuple[Path, Entry]]:
        """Pair the used entries of a list with their places in the file."""
        places = ((*path, at) for at in count() if (*path, at) not in self.left_out)
        return [(next(places), entry) for entry in used]

    def report(self, path: Path, message: str) -> None:
        """Add an error about the setting at `path`."""
        self.problems.append(Problem(message, path, self.line(path)))

    def warn(self, path: Path, message: str) -> None:
        """Add a warning about the setting at `path`."""
        self.problems.append(Problem(message, path, self.line(path), "warning"))


def read(content: bytes) -> Document:
    """Read a file's bytes; a document with problems has no more value than could be read."""
    document = Document()
    if len(content) > MAX_BYTES:
        document.report((), f"the file is larger than {MAX_BYTES} bytes")
        return document
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = "this line is not UTF-8; save the file as UTF-8"
        document.problems.append(Problem(message, (), line))
        return document
    root = _compose(text, document)
    if root is None:
        if not document.problems:
            document.report((), "the file is empty; see `examples/tidegate.yaml`")
        return document
    document.value = _Builder(document).build(root, ())
    return document


def _resolvers() -> dict[str, list[tuple[str, Pattern[str]]]]:
    """Give PyYAML's table: by first character, the tags whose form a plain scalar may have."""
    table: dict[str, list[tuple[str, Pattern[str]]]] = {}
    for tag, form, firsts in _CORE_SCHEMA:
        for first in firsts:
            table.setdefault(first, []).append((tag, re.compile(form)))
    return table


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the scalars of YAML 1.2 (core schema)."""

    yaml_implicit_resolvers = _resolvers()


def _compose(text: str, document: Document) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        message = error.problem or error.context or "this is not YAML"
        if "\\t" in message:
            message = "a tab where only spaces may indent; replace it with spaces"
        document.problems.append(Problem(message, (), line))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        document.problems.append(Problem("a character that YAML does not allow", (), line))
    except RecursionError:
        document.report((), f"nested deeper than {_MAX_DEPTH} levels")
    return None


class _TooMuch(Exception):
    """Aliases blow the file up, or refer to themselves."""


class _Builder:
    """Turns nodes into values; aliases are followed, a bounded number of times."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0

    def build(self, root: yaml.Node, path: Path) -> Value:
        self._document.lines[path] = root.start_mark.line + 1
        try:
            return self._value(root, path)
        except _TooMuch as error:
            self._document.report(path, str(error))
            return None

    def _value(self, node: yaml.Node, path: Path) -> Value:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise _TooMuch(f"more than {_MAX_VALUES} values once aliases are followed")
        if len(path) > _MAX_DEPTH:
            raise _TooMuch(f"nested deeper than {_MAX_DEPTH} levels")
        match node:
            case yaml.MappingNode():
                self._check_tag(node, path, "map")
                return self._mapping(node.value, path)
            case yaml.SequenceNode():
                self._check_tag(node, path, "seq")
                return self._sequence(node.value, path)
            case yaml.ScalarNode():
                return self._scalar(node, path)
            case _:
                raise _TooMuch("a kind of YAML node that is not supported")

    def _mapping(self, pairs: Sequence[tuple[yaml.Node, yaml.Node]], path: Path) -> Value:
        values: dict[str, Value] = {}
        for key_node, value_node in pairs:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                self._document.problems.append(Problem("a key must be a text", path, line))
                continue
            here = (*path, key)
            if key in values:
                message = f"`{spell(here)}` stands twice, first on line {self._document.line(here)}"
                self._document.problems.append(Problem(message, here, line))
                continue
            self._document.lines[here] = line
            values[key] = self._value(value_node, here)
        return values

    def _sequence(self, nodes: Sequence[yaml.Node], path: Path) -> Value:
        values: list[Value] = []
        for position, node in enumerate(nodes):
            here = (*path, position)
            self._document.lines[here] = node.start_mark.line + 1
            values.append(self._value(node, here))
        return values

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Value:
        text: str = node.value
        match str(node.tag).removeprefix(_TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return self._whole(text, path)
            case "float":
                return self._real(text, path)
            case _:
                self._check_tag(node, path, "str")
                return text

    def _check_tag(self, node: yaml.Node, path: Path, usual: str) -> None:
        if node.tag != f"{_TAG}{usual}":
            self._document.report(path, f"the tag `{node.tag}` is not supported; remove it")

    def _whole(self, text: str, path: Path) -> Value:
        if len(text) > _MAX_DIGITS:
            self._document.report(path, f"`{spell(path)}` has more than {_MAX_DIGITS} digits")
            return 0
        base = 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10
        return int(text, base)

    def _real(self, text: str, path: Path) -> Value:
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not isfinite(number):
            self._document.report(path, f"`{spell(path)}` is {text}; give a finite number")
            return 0.0
        return number
