"""Plain values to settings classes, reporting every wrong setting instead of the first.

A wrong field is reported and replaced by its default, a wrong entry of a list is left out, so that
the checks that follow see as much of the file as possible. Nobody uses the result when there was
an error.
"""

from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Final, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from tidegate.config.document import Document, Value
from tidegate.config.problem import Path, spell, suggest

Struct = TypeVar("Struct", bound=msgspec.Struct)

Choose = Callable[[Document, Path, Mapping[str, Value]], type[msgspec.Struct] | None]
"""Gives the class of one entry, or reports why there is none."""


class _Invalid:
    """Stands for a value that has been reported."""


_INVALID: Final = _Invalid()

_PLAIN_WORDS = (
    ("`int | float`", "a number"),
    ("`int`", "a whole number"),
    ("`float`", "a number"),
    ("`str`", "a text"),
    ("`bool`", "true or false"),
    ("`array`", "a list"),
    ("`object`", "a mapping"),
    ("`null`", "nothing"),
)


_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
"""Of `msgspec.Meta`."""

_KINDS: Mapping[type, str] = {
    NoneType: "nothing",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
}


class Decoder:
    """Decodes one document; `choosers` pick the class where a hint names only the ancestor."""

    def __init__(self, document: Document, choosers: Mapping[object, Choose]) -> None:
        """Problems are reported to `document`."""
        self._document = document
        self._choosers = choosers

    def decode(self, kind: type[Struct]) -> Struct | None:
        """Read the whole document as `kind`; None when not even defaults make one."""
        decoded = self._struct(self._document.value, kind, ())
        return decoded if isinstance(decoded, kind) else None

    def _value(self, value: Value, hint: object, path: Path) -> object:
        bounds: tuple[object, ...] = ()
        if get_origin(hint) is Annotated:
            hint, *rest = get_args(hint)
            bounds = tuple(rest)
        origin = get_origin(hint)
        if hint in self._choosers or _is_struct(hint):
            return self._struct(value, hint, path)
        if origin is Union or origin is UnionType:
            return self._union(value, get_args(hint), bounds, path)
        if origin is tuple:
            return self._items(value, get_args(hint)[0], bounds, path)
        if origin is dict:
            return self._entries(value, get_args(hint), path)
        if origin is Literal:
            return self._word(value, get_args(hint), path)
        return self._leaf(value, hint, bounds, path)

    def _struct(self, value: Value, hint: object, path: Path) -> object:
        if not isinstance(value, dict):
            return self._refuse(path, f"expected a mapping, got {_kind_of(value)}")
        kind = self._class_of(value, hint, path)
        if kind is None:
            # What every kind has can be checked whichever it was to be.
            self._check_shared(value, [hint], path)
            return _INVALID
        known = {field.encode_name: field for field in fields(kind)}
        tag_field = kind.__struct_config__.tag_field
        arguments: dict[str, object] = {}
        for key, part in value.items():
            if key in known:
                arguments[known[key].name] = self._value(part, known[key].type, (*path, key))
            elif key != tag_field:
                message = f"`{spell((*path, key))}` is not known"
                self._document.report((*path, key), message + suggest(key, known))
        return self._build(kind, arguments, list(known.values()), path)

    def _build(
        self,
        kind: type[msgspec.Struct],
        arguments: Mapping[str, object],
        known: Sequence[FieldInfo],
        path: Path,
    ) -> object:
        usable = {name: one for name, one in arguments.items() if one is not _INVALID}
        missing = [field for field in known if field.required and field.name not in arguments]
        for field in missing:
            self._document.report(path, f"`{spell((*path, field.encode_name))}` is missing")
        if any(field.required and field.name not in usable for field in known):
            return _INVALID
        return kind(**usable)

    def _check_shared(
        self, value: Mapping[str, Value], kinds: Sequence[object], path: Path
    ) -> None:
        """Report what is wrong with those fields that mean the same in all of these classes."""
        known = [
            {one.encode_name: one.type for one in fields(kind)}
            for kind in kinds
            if _is_struct(kind)
        ]
        for key, part in value.items():
            hints = [one.get(key) for one in known]
            if hints and hints[0] is not None and all(one == hints[0] for one in hints):
                self._value(part, hints[0], (*path, key))

    def _class_of(
        self, value: Mapping[str, Value], hint: object, path: Path
    ) -> type[msgspec.Struct] | None:
        if hint in self._choosers:
            return self._choosers[hint](self._document, path, value)
        return hint if _is_struct(hint) else None

    def _union(
        self, value: Value, members: Sequence[object], bounds: Sequence[object], path: Path
    ) -> object:
        if value is None and NoneType in members:
            return None
        structs = [member for member in members if _is_struct(member)]
        others = [m for m in members if m is not NoneType and not _is_struct(m)]
        if structs and (isinstance(value, dict) or not others):
            return self._tagged(value, structs, path)
        if len(others) == 1:
            return self._value(value, _bounded(others[0], bounds), path)
        words = [word for one in others if get_origin(one) is Literal for word in get_args(one)]
        if words and isinstance(value, str):
            return self._word(value, words, path)
        # The members are known at run time only, so `X | Y` cannot spell them.
        return self._leaf(value, Union[tuple(others)], (), path)  # noqa: UP007

    def _tagged(self, value: Value, structs: Sequence[type[msgspec.Struct]], path: Path) -> object:
        if len(structs) == 1 or not isinstance(value, dict):
            return self._struct(value, structs[0], path)
        field = structs[0].__struct_config__.tag_field or ""
        by_tag = {str(one.__struct_config__.tag): one for one in structs}
        tag = value.get(field)
        if not isinstance(tag, str) or tag not in by_tag:
            self._check_shared(value, structs, path)
            if tag is None:
                return self._refuse(path, f"`{field}` is missing{suggest('', by_tag)}")
            return self._refuse((*path, field), f"it is {tag!r}{suggest(str(tag), by_tag)}")
        return self._struct(value, by_tag[tag], path)

    def _items(self, value: Value, hint: object, bounds: Sequence[object], path: Path) -> object:
        if not isinstance(value, list):
            return self._refuse(path, f"expected a list, got {_kind_of(value)}")
        is_sized = self._leaf([None] * len(value), list[None], bounds, path) is not _INVALID
        used: list[object] = []
        for position, part in enumerate(value):
            here = (*path, position)
            entry = self._value(part, hint, here)
            if entry is _INVALID:
                self._document.left_out.add(here)
            else:
                used.append(entry)
        return tuple(used) if is_sized else _INVALID

    def _entries(self, value: Value, hints: Sequence[object], path: Path) -> object:
        if not isinstance(value, dict):
            return self._refuse(path, f"expected a mapping, got {_kind_of(value)}")
        entries: dict[object, object] = {}
        for key, part in value.items():
            name = self._value(key, hints[0], (*path, key))
            entry = self._value(part, hints[1], (*path, key))
            if name is not _INVALID and entry is not _INVALID:
                entries[name] = entry
        return entries

    def _word(self, value: Value, words: Sequence[object], path: Path) -> object:
        if value in words:
            return value
        known = [str(word) for word in words]
        return self._refuse(path, f"it is {value!r}{suggest(str(value), known)}")

    def _leaf(self, value: object, hint: object, bounds: Sequence[object], path: Path) -> object:
        try:
            converted: object = msgspec.convert(value, _bounded(hint, bounds))
        except msgspec.ValidationError as error:
            for message in self._faults(value, hint, bounds) or [str(error)]:
                self._tell(message, value, hint, path)
            return _INVALID
        return converted

    def _faults(self, value: object, hint: object, bounds: Sequence[object]) -> list[str]:
        """Give the message of each bound that does not hold, since msgspec stops at the first."""
        found = []
        for one in bounds:
            if isinstance(one, msgspec.Meta):
                for name in _BOUNDS:
                    if (limit := getattr(one, name)) is not None:
                        bound = msgspec.Meta(**{name: limit})
                        try:
                            msgspec.convert(value, _bounded(hint, (bound,)))
                        except msgspec.ValidationError as error:
                            form = (one.extra or {}).get("form") if name == "pattern" else None
                            found.append(f"give {form}" if form else str(error))
        return list(dict.fromkeys(found))

    def _tell(self, message: str, value: object, hint: object, path: Path) -> None:
        for theirs, ours in _PLAIN_WORDS:
            message = message.replace(theirs, ours)
        if hint is str and isinstance(value, bool | int | float):
            message += "; put it in quotes"
        self._refuse(path, message[0].lower() + message[1:])

    def _refuse(self, path: Path, message: str) -> _Invalid:
        self._document.report(path, f"`{spell(path)}`: {message}" if path else message)
        return _INVALID


def _bounded(hint: object, bounds: Sequence[object]) -> object:
    return Annotated[hint, *bounds] if bounds else hint


def _is_struct(hint: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _kind_of(value: Value) -> str:
    return _KINDS[type(value)]
