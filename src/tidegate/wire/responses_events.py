"""Writes the growth of a reply as the event stream of the Responses API.

An item is open while it grows: the words of a message or of reasoning until something else begins,
tool calls until the reply ends, because some models write several at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, assert_never

import msgspec

from tidegate.domain.event import Event
from tidegate.domain.reply import (
    ArgumentsGrown,
    Growth,
    ReplyEnded,
    ReplyStarted,
    TextGrown,
    ThinkingGrown,
    ToolCallStarted,
)
from tidegate.errors import MalformedAnswer
from tidegate.ports.upstream import Batch
from tidegate.wire.responses_items import (
    Object,
    Status,
    function_call,
    message,
    output_text,
    reasoning,
    response,
    response_id,
    status_of,
    summary_text,
)
from tidegate.wire.sse import event

_BEGINNINGS = ("created", "in_progress")
_ITEM = "response.output_item."
_CONTENT_PART = "response.content_part."
_TEXT = "response.output_text."
_SUMMARY_PART = "response.reasoning_summary_part."
_SUMMARY_TEXT = "response.reasoning_summary_text."
_ARGUMENTS = "response.function_call_arguments."

Kind = Literal["message", "reasoning"]

_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Words:
    """A message or reasoning that is open."""

    kind: Kind
    id: str
    output_index: int
    place: Object
    """Where its pieces go: the fields that each of their events repeats."""
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    """A tool call that is open."""

    id: str
    call_id: str
    name: str
    output_index: int
    pieces: list[str] = field(default_factory=list)


class ResponseWriter:
    """Writes one streamed reply; the usage stands in the last event, as this dialect has it."""

    def __init__(self, *, model: str, created: int) -> None:
        """`model` is named until the reply names its own."""
        self._model = model
        self._created = created
        self._reply_id = ""
        self._sequence = 0
        self._is_begun = False
        self._words: _Words | None = None
        self._calls: dict[int, _Call] = {}
        self._output: dict[int, Object] = {}
        """Finished items by their place."""
        self._begun_items = 0

    def write(self, growths: Iterable[Growth]) -> Batch:
        """Give the events for what grew; raises MalformedAnswer for arguments of no call."""
        events: list[Event] = []
        has_token = is_end = False
        for growth in growths:
            if not self._is_begun:
                events += self._begin(growth)
            match growth:
                case ReplyStarted():
                    continue
                case TextGrown(text=text):
                    events += self._grow("message", text)
                case ThinkingGrown(text=text):
                    events += self._grow("reasoning", text)
                case ToolCallStarted():
                    events += self._open_call(growth)
                case ArgumentsGrown(index=index, text=text):
                    events.append(self._grow_call(index, text))
                case ReplyEnded():
                    events += self._end(growth)
                    is_end = True
                case _:
                    assert_never(growth)
            has_token = True
        return Batch(tuple(events), has_token=has_token, is_end=is_end)

    def _begin(self, first: Growth) -> list[Event]:
        self._is_begun = True
        if isinstance(first, ReplyStarted):
            self._reply_id = first.id
            self._model = first.model or self._model
        begun = response(
            response_id(self._reply_id),
            model=self._model,
            created=self._created,
            output=(),
        )
        return [self._event(f"response.{name}", response=begun) for name in _BEGINNINGS]

    def _grow(self, kind: Kind, text: str) -> list[Event]:
        events: list[Event] = []
        words = self._words
        if words is None or words.kind != kind:
            events += self._close_words("completed")
            words, opened = self._open_words(kind)
            events += opened
        words.pieces.append(text)
        if kind == "message":
            delta = self._event(_TEXT + "delta", **words.place, delta=text, logprobs=())
        else:
            delta = self._event(_SUMMARY_TEXT + "delta", **words.place, delta=text)
        events.append(delta)
        return events

    def _open_words(self, kind: Kind) -> tuple[_Words, list[Event]]:
        index = self._next_index()
        if kind == "message":
            id_ = f"msg_{self._reply_id}_{index}"
            item, part, inner = message(id_, "in_progress", ()), output_text(""), "content_index"
            part_added = _CONTENT_PART + "added"
        else:
            id_ = f"rs_{self._reply_id}_{index}"
            item, part, inner = reasoning(id_, None), summary_text(""), "summary_index"
            part_added = _SUMMARY_PART + "added"
        place = {"item_id": id_, "output_index": index, inner: 0}
        self._words = words = _Words(kind, id_, index, place)
        return words, [
            self._event(_ITEM + "added", output_index=index, item=item),
            self._event(part_added, **place, part=part),
        ]

    def _close_words(self, status: Status) -> list[Event]:
        words = self._words
        if words is None:
            return []
        self._words = None
        text = "".join(words.pieces)
        if words.kind == "message":
            part = output_text(text)
            item = message(words.id, status, [part])
            done = [
                self._event(_TEXT + "done", **words.place, text=text, logprobs=()),
                self._event(_CONTENT_PART + "done", **words.place, part=part),
            ]
        else:
            item = reasoning(words.id, text)
            done = [
                self._event(_SUMMARY_TEXT + "done", **words.place, text=text),
                self._event(_SUMMARY_PART + "done", **words.place, part=summary_text(text)),
            ]
        return [*done, self._finish(words.output_index, item)]

    def _open_call(self, started: ToolCallStarted) -> list[Event]:
        events = self._close_words("completed")
        index = self._next_index()
        call = _Call(f"fc_{self._reply_id}_{index}", started.id, started.name, index)
        self._calls[started.index] = call
        item = function_call(call.id, "in_progress", call.call_id, call.name, "")
        return [*events, self._event(_ITEM + "added", output_index=index, item=item)]

    def _grow_call(self, index: int, text: str) -> Event:
        call = self._calls.get(index)
        if call is None:
            raise MalformedAnswer("the stream holds arguments of a tool call that never began")
        call.pieces.append(text)
        return self._event(
            _ARGUMENTS + "delta", item_id=call.id, output_index=call.output_index, delta=text
        )

    def _close_calls(self, status: Status) -> list[Event]:
        events: list[Event] = []
        for call in self._calls.values():
            place = {"item_id": call.id, "output_index": call.output_index}
            if not call.pieces:
                # Clients parse them; some servers send none for a tool without parameters.
                call.pieces.append("{}")
                events.append(self._event(_ARGUMENTS + "delta", **place, delta="{}"))
            arguments = "".join(call.pieces)
            events.append(self._event(_ARGUMENTS + "done", **place, arguments=arguments))
            item = function_call(call.id, status, call.call_id, call.name, arguments)
            events.append(self._finish(call.output_index, item))
        self._calls.clear()
        return events

    def _end(self, ended: ReplyEnded) -> list[Event]:
        status = status_of(ended.stop)
        events = [*self._close_words(status), *self._close_calls("completed")]
        whole = response(
            response_id(self._reply_id),
            model=self._model,
            created=self._created,
            output=[self._output[index] for index in sorted(self._output)],
            stop=ended.stop,
            usage=ended.usage,
        )
        return [*events, self._event(f"response.{status}", response=whole)]

    def _finish(self, index: int, item: Object) -> Event:
        self._output[index] = item
        return self._event(_ITEM + "done", output_index=index, item=item)

    def _next_index(self) -> int:
        index = self._begun_items
        self._begun_items += 1
        return index

    def _event(self, name: str, **fields: object) -> Event:
        number = self._sequence
        self._sequence += 1
        return event(_ENCODE({"type": name, "sequence_number": number, **fields}), name)
