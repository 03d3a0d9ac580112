"""Reads as much of files, batches and speech requests as passing them on takes; OpenAI dialect."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from tidegate.domain.passed import Passed
from tidegate.errors import InvalidRequest, MalformedAnswer
from tidegate.wire.fields import read_fields
from tidegate.wire.multipart import Form, read_form, text_of

T = TypeVar("T")

_ENCODE = msgspec.json.Encoder().encode
_MODEL_CHARACTERS = 256


class Made(msgspec.Struct):
    """A file or batch as the upstream describes it."""

    id: str
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def belongings(self) -> tuple[str, ...]:
        """Files that came of a batch, as far as they are there."""
        return tuple(one for one in (self.output_file_id, self.error_file_id) if one)


class Page(msgspec.Struct):
    """A page of a list."""

    data: list[msgspec.Raw]
    has_more: bool = False


class _Speech(msgspec.Struct):
    model: str
    input: str


class _Batch(msgspec.Struct):
    input_file_id: str


def read_speech(body: bytes, path: str) -> Passed:
    """Read a request for speech; `body` is checked JSON."""
    speech = _typed(body, _Speech)
    raw = bytes(read_fields(body)["model"])
    # A name in its quotation marks occurs first as the value of `model`, or nothing is replaced.
    at = body.find(raw)
    is_sure = body.count(raw) == 1
    return Passed(
        "audio",
        "ask",
        "POST",
        path,
        body,
        "application/json",
        model=_model(speech.model),
        model_at=(at, at + len(raw)) if is_sure else None,
        quotes_model=True,
        characters=len(speech.input),
    )


def read_transcript(body: bytes, content_type: str, path: str) -> Passed:
    """Read a form with sounds to be written down."""
    form = read_form(body, content_type, {"model"})
    place = form.fields.get("model")
    if place is None:
        raise InvalidRequest("The form has no `model`.", param="model")
    _require_file(form)
    return Passed(
        "audio",
        "ask",
        "POST",
        path,
        body,
        content_type,
        model=_model(text_of(body, place)),
        model_at=place,
    )


def read_upload(body: bytes, content_type: str) -> Passed:
    """Read a form with a file."""
    form = read_form(body, content_type, {"purpose"})
    _require_file(form)
    if "purpose" not in form.fields:
        raise InvalidRequest("The form has no `purpose`.", param="purpose")
    return Passed(
        "files", "create", "POST", "/files", body, content_type, size_bytes=form.file_bytes
    )


def read_batch(body: bytes) -> Passed:
    """Read a request for a batch; `body` is checked JSON."""
    needed = _typed(body, _Batch).input_file_id
    return Passed(
        "batches", "create", "POST", "/batches", body, "application/json", needs=(needed,)
    )


def read_made(answer: bytes) -> Made:
    """Read a file or batch; raises MalformedAnswer."""
    return _answer(answer, Made)


def read_page(answer: bytes) -> Page:
    """Read a page of a list; raises MalformedAnswer."""
    return _answer(answer, Page)


def encode_page(found: Sequence[tuple[Made, msgspec.Raw]], *, has_more: bool) -> bytes:
    """Write a list; each object stays as the upstream wrote it."""
    return _ENCODE(
        {
            "object": "list",
            "data": [raw for _, raw in found],
            "first_id": found[0][0].id if found else None,
            "last_id": found[-1][0].id if found else None,
            "has_more": has_more,
        }
    )


def with_model(passed: Passed, model: str) -> bytes:
    """Give the body with another name for the model, and no other byte changed."""
    if model == passed.model or not passed.model:
        return passed.body
    if passed.model_at is None:
        return _renamed(passed.body, model)
    start, end = passed.model_at
    name = _ENCODE(model) if passed.quotes_model else model.encode()
    return passed.body[:start] + name + passed.body[end:]


def _renamed(body: bytes, model: str) -> bytes:
    fields: dict[str, Any] = dict(read_fields(body))
    return _ENCODE(fields | {"model": model})


def _require_file(form: Form) -> None:
    if "file" not in form.names:
        raise InvalidRequest("The form has no `file`.", param="file")


def _model(name: str) -> str:
    if not name or len(name) > _MODEL_CHARACTERS:
        raise InvalidRequest(f"`model` takes 1 to {_MODEL_CHARACTERS} characters.", param="model")
    return name


def _typed(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        raise InvalidRequest(f"{reason}.", param=place.rstrip("`") or None) from None


def _answer(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"not an object of this API: {type(error).__name__}") from None
