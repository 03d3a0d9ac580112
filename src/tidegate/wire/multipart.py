"""Finds fields in a multipart form (RFC 7578) without touching what is uploaded beside them.

Strict on purpose: the form goes to the upstream as it came, so it must be read there as it is read
here. Whatever readers could disagree on is refused.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tidegate.errors import InvalidRequest

_BOUNDARY = re.compile(
    r'multipart/form-data;\s*boundary=(?:"([^"\\\x00-\x1f]{1,70})"|([!#-\'*+.0-9A-Z^-z|~-]{1,70}))\s*',
    re.IGNORECASE,
)
_DISPOSITION = re.compile(
    rb'form-data; ?name="([^"\\\r\n]{1,256})"'
    rb'(; ?filename="[^"\\\r\n]*")?(; ?filename\*=[^;\r\n]*)?',
    re.IGNORECASE,
)
_HEADS_BYTES = 4_096
_MOST_PARTS = 256


@dataclass(frozen=True, slots=True)
class Form:
    """What was found; places are offsets into the body."""

    fields: Mapping[str, tuple[int, int]]
    """Start and end of each wanted field that is there."""
    names: Sequence[str]
    """Of all parts."""
    file_bytes: int
    """Of all parts that are files."""


def read_form(body: bytes, content_type: str, wanted: Collection[str]) -> Form:
    """Find the wanted fields; raises InvalidRequest for one that is there twice."""
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        raise InvalidRequest(
            "This path takes a form: `Content-Type: multipart/form-data; boundary=...`.",
            code="unsupported_content_type",
        )
    delimiter = b"--" + (match[1] or match[2]).encode("latin-1")
    if not body.startswith(delimiter + b"\r\n"):
        raise _broken("it does not begin with its boundary")
    form = Form({}, [], 0)
    at = len(delimiter) + 2
    while len(form.names) < _MOST_PARTS:
        name, is_file, start = _head(body, at)
        end = body.find(b"\r\n" + delimiter, start)
        if end < 0:
            raise _broken("its last boundary is missing")
        form = _with_part(form, name, (start, end), is_file=is_file, is_wanted=name in wanted)
        at = end + 2 + len(delimiter)
        if body.startswith(b"--", at):
            if body[at + 2 :] not in (b"", b"\r\n"):
                raise _broken("something follows its end")
            return form
        if not body.startswith(b"\r\n", at):
            raise _broken("something else follows a boundary")
        at += 2
    raise _broken(f"it has more than {_MOST_PARTS} parts")


def text_of(body: bytes, place: tuple[int, int]) -> str:
    """Give the text of a field."""
    try:
        return body[place[0] : place[1]].decode()
    except UnicodeDecodeError:
        raise _broken("a field is not UTF-8") from None


def _with_part(
    form: Form, name: str, place: tuple[int, int], *, is_file: bool, is_wanted: bool
) -> Form:
    if is_wanted and name in form.names:
        raise InvalidRequest(f"The form holds `{name}` twice.", param=name)
    if is_wanted and is_file:
        raise InvalidRequest(f"`{name}` must be a text, not a file.", param=name)
    size = place[1] - place[0] if is_file else 0
    fields = {**form.fields, name: place} if is_wanted else form.fields
    return Form(fields, [*form.names, name], form.file_bytes + size)


def _head(body: bytes, at: int) -> tuple[str, bool, int]:
    """Read the head of a part: its name, whether it is a file, and where its content begins."""
    end = body.find(b"\r\n\r\n", at, at + _HEADS_BYTES)
    if end < 0:
        raise _broken("a part has no head, or one that is too long")
    found: re.Match[bytes] | None = None
    for line in body[at:end].split(b"\r\n"):
        header, colon, value = line.partition(b":")
        if not colon or header != header.strip() or b"\r" in line or b"\n" in line:
            raise _broken("a header of a part is none")
        if header.lower() == b"content-disposition":
            if found is not None:
                raise _broken("a part has two names")
            found = _DISPOSITION.fullmatch(value.strip())
            if found is None:
                raise _broken("a part has no plain name")
        elif header.lower() == b"content-transfer-encoding":
            raise _broken("a part has a transfer encoding, which forms no longer have")
    if found is None:
        raise _broken("a part has no name")
    is_file = found[2] is not None or found[3] is not None
    return found[1].decode("utf-8", "replace"), is_file, end + 4


def _broken(why: str) -> InvalidRequest:
    return InvalidRequest(f"The form cannot be read: {why}.", code="invalid_form")
