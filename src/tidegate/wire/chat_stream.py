"""Reads a streamed chat completion as it passes: tokens, usage, errors in band and the end.

Events are relayed as they came; only the usage chunk that the client did not ask for is left out.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.event import Event
from tidegate.errors import MalformedAnswer
from tidegate.ports.upstream import Batch
from tidegate.wire.generated import text_bytes
from tidegate.wire.sse import DONE
from tidegate.wire.usage import read_usage


class StreamChoice(msgspec.Struct, gc=False):
    """A piece of one choice; what it adds stands in `delta`, in the older completions in `text`."""

    index: int = 0
    delta: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """As much of a chunk as the stages need."""

    choices: list[StreamChoice] = []
    model: str | None = None
    object: str | None = None
    usage: Any = None
    error: Any = None


_DECODE = msgspec.json.Decoder(Chunk).decode


class ChatStreamReader:
    """Follows one stream; what it learns is for the pipeline and the record."""

    def __init__(self, *, keep_usage: bool) -> None:
        """With `keep_usage` the chunk that holds nothing but usage stays in the stream."""
        self.model = ""
        """As the stream names it; empty until then."""
        self.usage: Usage | None = None
        self.error: bytes | None = None
        """The data of the error event because of which `feed` raised."""
        self._keep_usage = keep_usage
        self._is_open: dict[int, bool] = {}
        self._is_ended = False
        self._text_bytes = 0

    @property
    def is_finished(self) -> bool:
        """Every choice seen has its finish reason: nothing is missing but the end itself."""
        return bool(self._is_open) and not any(self._is_open.values())

    def feed(self, events: Sequence[Event]) -> Batch:
        """Tell what the events are and which to pass on.

        Raises MalformedAnswer for an error event, see `error`, and for what is not a chunk. What
        follows the end is left out.
        """
        kept: list[Event] = []
        has_token = False
        before = self._text_bytes
        for event in events:
            if self._is_ended:
                break
            if not event.data:
                kept.append(event)
            elif event.data == b"[DONE]":
                self._is_ended = True
                kept.append(event)
            else:
                chunk = self._read(event)
                if chunk.choices:
                    has_token = self._follow(chunk.choices) or has_token
                elif chunk.usage is not None and not self._keep_usage:
                    continue
                kept.append(event)
        return Batch(
            tuple(kept),
            has_token=has_token,
            is_end=self._is_ended,
            text_bytes=self._text_bytes - before,
        )

    def finish(self) -> Batch | None:
        """Give the rest once the connection has closed; None when something is missing.

        Some servers close without `[DONE]`. Once every choice has its finish reason the answer is
        whole, and clients are given the end that their dialect demands.
        """
        if self._is_ended:
            return Batch((), has_token=False, is_end=True)
        if not self.is_finished:
            return None
        self._is_ended = True
        return Batch((DONE,), has_token=False, is_end=True)

    def _read(self, event: Event) -> Chunk:
        if event.name == "error":
            raise self._fail(event)
        try:
            chunk = _DECODE(event.data)
        except msgspec.ValidationError as error:
            raise MalformedAnswer(f"not a chunk of a chat completion: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedAnswer("an event of the stream is not valid JSON") from None
        if chunk.error is not None or chunk.object == "error":
            raise self._fail(event)
        if chunk.model:
            self.model = chunk.model
        if chunk.usage is not None:
            self.usage = read_usage(chunk.usage) or self.usage
        return chunk

    def _fail(self, event: Event) -> MalformedAnswer:
        self.error = event.data
        return MalformedAnswer("an error event in the stream")

    def _follow(self, choices: list[StreamChoice]) -> bool:
        """Note which choices are still open; tell whether one carries generated content."""
        has_token = False
        for choice in choices:
            if choice.finish_reason is not None:
                self._is_open[choice.index] = False
                has_token = True
            else:
                self._is_open.setdefault(choice.index, True)
            if choice.text:
                self._text_bytes += text_bytes(choice.text)
                has_token = True
            elif choice.delta:
                self._text_bytes += text_bytes(choice.delta)
            if choice.delta and not has_token:
                has_token = any(value for name, value in choice.delta.items() if name != "role")
        return has_token
