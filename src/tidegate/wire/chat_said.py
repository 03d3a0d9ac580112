"""What a chat completion says where it answers one question, and how another is written alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.domain.answer import Usage
from tidegate.wire.fields import read_fields, rewrite
from tidegate.wire.usage import chat_usage

Object = Mapping[str, Any]

_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_ENCODE = msgspec.json.Encoder().encode
_ENDED = ("stop", None)


@dataclass(frozen=True, slots=True)
class Said:
    """One whole answer."""

    content: str | None
    """None where it is no finished text: cut off, refused, calls tools, or several answers."""
    frame: Object
    """The answer without what is only about this one request."""


def read_said(body: bytes) -> Said | None:
    """Read a whole chat completion; None where it is none."""
    try:
        answer = _DECODE(body)
        (choice,) = answer["choices"]
        message = choice["message"]
        content = message["content"]
        ended = choice.get("finish_reason") in _ENDED
        beyond = message.get("refusal") or message.get("tool_calls")
    except (
        msgspec.MsgspecError,
        RecursionError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ):
        return None
    frame = _plain(answer) | {
        "choices": [_plain(choice) | {"message": _empty(message)}],
    }
    is_text = isinstance(content, str) and ended and not beyond
    return Said(content if is_text else None, frame)


def say(frame: Object, content: str, *, request_id: str, created: int, usage: Usage) -> bytes:
    """Write an answer with another content in the frame of an earlier one."""
    (choice,) = frame["choices"]
    message = {**choice["message"], "content": content}
    answer = {
        **frame,
        "id": f"chatcmpl-{request_id}",
        "created": created,
        "choices": [{**choice, "message": message}],
        "usage": chat_usage(usage),
    }
    return _ENCODE(answer)


def asked_again(body: bytes) -> bytes:
    """Give the request as it is asked for the answer's sake only: whole, and stored nowhere."""
    fields = read_fields(body)
    return rewrite(body, fields, values={"store": b"false"}, drop=("stream", "stream_options"))


def _plain(holder: Object) -> dict[str, Any]:
    """Keep words and numbers, such as names; lists and objects may tell of the request."""
    kept = {"choices", "message", "usage"}
    return {
        name: value
        for name, value in holder.items()
        if name in kept or not isinstance(value, list | dict)
    }


def _empty(message: Object) -> dict[str, Any]:
    """Keep the role and what is empty: the rest, such as reasoning, is of the request."""
    return {
        name: value for name, value in message.items() if name in {"role", "content"} or not value
    }
