"""Reads a stream of the Responses API as it passes: tokens, usage, failures in band and the end.

Events are relayed as they came.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.event import Event
from tidegate.errors import MalformedAnswer
from tidegate.ports.upstream import Batch
from tidegate.wire.generated import text_bytes
from tidegate.wire.responses_failures import failure_body
from tidegate.wire.usage import read_usage

ENDS = frozenset({"response.completed", "response.incomplete"})
FAILURES = frozenset({"error", "response.failed"})

_GROWTH = ".delta"
_NO_TEXT = frozenset({"response.audio.delta"})
"""It carries sounds in base64; their words come in events of their own."""
_ITEM_DONE = "response.output_item.done"


class _Response(msgspec.Struct):
    model: str | None = None
    usage: Any = None


class _Item(msgspec.Struct):
    type: str
    response: _Response | None = None
    delta: Any = None


_DECODE = msgspec.json.Decoder(_Item).decode


class ResponseStreamReader:
    """Follows one stream; what it learns is for the pipeline and the record."""

    def __init__(self) -> None:
        self.model = ""
        """As the stream names it; empty until then."""
        self.usage: Usage | None = None
        self.error: bytes | None = None
        """The failure because of which `feed` raised, as an error body."""
        self.is_ended = False
        self._text_bytes = 0

    def feed(self, events: Sequence[Event]) -> Batch:
        """Tell what the events are and which to pass on.

        Raises MalformedAnswer for a failure, see `error`, and for what is not an event of this
        dialect. What follows the end is left out.
        """
        kept: list[Event] = []
        has_token = False
        before = self._text_bytes
        for event in events:
            if self.is_ended:
                break
            if event.data:
                has_token = self._read(event) or has_token
            kept.append(event)
        grown = self._text_bytes - before
        return Batch(tuple(kept), has_token=has_token, is_end=self.is_ended, text_bytes=grown)

    def finish(self) -> Batch | None:
        """Give the rest once the connection has closed: without the last event all is missing."""
        return None

    def _read(self, event: Event) -> bool:
        """Follow one event; tells whether it carries generated content."""
        item = _decode(event.data)
        if item.type in FAILURES:
            self.error = failure_body(event.data)
            raise MalformedAnswer("a failure in the stream")
        if item.response is not None:
            self.model = item.response.model or self.model
            self.usage = read_usage(item.response.usage) or self.usage
        if item.type in ENDS:
            self.is_ended = True
            return True
        if item.type.endswith(_GROWTH) and item.type not in _NO_TEXT:
            self._text_bytes += text_bytes(item.delta)
        return item.type.endswith(_GROWTH) or item.type == _ITEM_DONE


def _decode(data: bytes) -> _Item:
    try:
        return _DECODE(data)
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"not an event of a response: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedAnswer("an event of the stream is not valid JSON") from None
