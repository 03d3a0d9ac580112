"""Reads answers of Anthropic's Messages API as they pass: usage, errors in band and the end."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.event import Event
from tidegate.errors import MalformedAnswer
from tidegate.ports.upstream import Batch
from tidegate.wire.anthropic_answer import read_message_usage
from tidegate.wire.generated import text_bytes
from tidegate.wire.typed import decode_answer

_GROWTH = "content_block_delta"
_TOKENS = frozenset({_GROWTH, "message_delta"})
"""Kinds of events that carry generated content, or tell that there is none to come."""


class _Answer(msgspec.Struct):
    content: list[dict[str, Any]]
    model: str | None = None
    usage: Any = None
    error: Any = None


class _Head(msgspec.Struct):
    model: str = ""
    usage: Any = None


class _Item(msgspec.Struct):
    type: str
    message: _Head | None = None
    usage: Any = None
    delta: Any = None


_DECODE_ANSWER = msgspec.json.Decoder(_Answer).decode
_DECODE = msgspec.json.Decoder(_Item).decode


class _Count(msgspec.Struct):
    input_tokens: int
    error: Any = None


_DECODE_COUNT = msgspec.json.Decoder(_Count).decode


def read_message_answer(body: bytes) -> tuple[str, Usage | None]:
    """Read the model's name (empty when it is not told) and the usage; raises MalformedAnswer."""
    answer = decode_answer(_DECODE_ANSWER, body, "message")
    return answer.model or "", read_message_usage(answer.usage)


def read_token_count(body: bytes) -> int:
    """Read the answer of `count_tokens`; raises MalformedAnswer."""
    return decode_answer(_DECODE_COUNT, body, "count of tokens").input_tokens


class MessageRelayReader:
    """Follows one stream whose events are passed on as they came."""

    def __init__(self) -> None:
        self.model = ""
        """As the stream names it; empty until then."""
        self.usage: Usage | None = None
        self.error: bytes | None = None
        """The data of the error event because of which `feed` raised."""
        self._is_ended = False
        self._text_bytes = 0

    def feed(self, events: Sequence[Event]) -> Batch:
        """Tell what the events are; what follows the end is left out.

        Raises MalformedAnswer for an error event, see `error`, and for what is no event of a
        message.
        """
        kept: list[Event] = []
        has_token = False
        before = self._text_bytes
        for event in events:
            if self._is_ended:
                break
            if event.data:
                has_token = self._read(event) or has_token
            kept.append(event)
        grown = self._text_bytes - before
        return Batch(tuple(kept), has_token=has_token, is_end=self._is_ended, text_bytes=grown)

    def finish(self) -> Batch | None:
        """Give the rest once the connection has closed; None without `message_stop`."""
        return Batch((), has_token=False, is_end=True) if self._is_ended else None

    def _read(self, event: Event) -> bool:
        """Note what one event tells; says whether it carries generated content."""
        item = _decode(event.data)
        if item.type in _TOKENS:
            if item.type == _GROWTH:
                self._text_bytes += text_bytes(item.delta)
            if item.usage is not None:
                self.usage = read_message_usage(item.usage, self.usage)
            return True
        if item.type == "message_start" and item.message is not None:
            self.model = item.message.model
            self.usage = read_message_usage(item.message.usage)
        elif item.type == "message_stop":
            self._is_ended = True
        elif item.type == "error":
            self.error = event.data
            raise MalformedAnswer("an error event in the stream")
        return False


def _decode(data: bytes) -> _Item:
    try:
        return _DECODE(data)
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"not an event of a message: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer("an event of the stream is not valid JSON") from None
