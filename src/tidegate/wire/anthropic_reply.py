"""Writes a reply as a message of Anthropic's Messages API: whole, or event by event."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.conversation import (
    EmbeddedImage,
    LinkedImage,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from tidegate.domain.event import Event
from tidegate.domain.reply import (
    ArgumentsGrown,
    Growth,
    Reply,
    ReplyEnded,
    ReplyStarted,
    Stop,
    TextGrown,
    ThinkingGrown,
    ToolCallStarted,
)
from tidegate.errors import MalformedAnswer
from tidegate.ports.upstream import Batch
from tidegate.wire.openai_answer_reply import is_object
from tidegate.wire.sse import event

Object = dict[str, Any]

_STOP_REASON: dict[Stop, str] = {
    "end": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refused": "refusal",
}

_UNKNOWN = Usage(0, 0)
"""The dialect demands numbers where the upstream told none; the record has its own estimate."""

_ARGUMENTS_LIMIT = 16 * 1024 * 1024
"""Characters of the arguments of one streamed call."""

_ENCODE = msgspec.json.Encoder().encode


def encode_message(
    reply: Reply,
    *,
    # A message does not say when it was made.
    created: int,  # noqa: ARG001
) -> bytes:
    """Encode a whole message."""
    content = [block for part in reply.parts if (block := _block(part)) is not None]
    head = _head(reply.id, reply.model)
    head["content"] = content
    head["stop_reason"] = _STOP_REASON[reply.stop]
    return _ENCODE({**head, "usage": message_usage(reply.usage or _UNKNOWN)})


def message_usage(usage: Usage) -> Object:
    """Write the token counts; input is what was read afresh, apart from what the cache held."""
    return {
        "input_tokens": usage.input_tokens - usage.cached_input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }


@dataclass(slots=True)
class _OpenCall:
    """A tool call whose block has not been closed."""

    index: int
    """Of its block."""
    pieces: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def is_complete(self) -> bool:
        """Its arguments are an object, so nothing can follow."""
        return bool(self.pieces) and is_object("".join(self.pieces))


class MessageWriter:
    """Writes one streamed reply.

    Blocks follow one another. Only where a server mixes the arguments of several calls do their
    blocks overlap, as the dialect's indexes allow.
    """

    def __init__(
        self,
        *,
        model: str,
        # A message does not say when it was made, and its stream always tells usage.
        created: int = 0,  # noqa: ARG002
        keep_usage: bool = True,  # noqa: ARG002
    ) -> None:
        """`model` is named until the reply names its own."""
        self._model = model
        self._is_started = False
        self._blocks = 0
        self._said: Literal["text", "thinking"] | None = None
        """The kind of the open block of words, which is the newest one."""
        self._calls: dict[int, _OpenCall] = {}

    def write(self, growths: Iterable[Growth]) -> Batch:
        """Give the events for what grew; raises MalformedAnswer for arguments that are no object.

        Those have been passed on by then, but neither their block nor the message is ever closed.
        """
        events: list[Event] = []
        has_token = is_end = False
        for growth in growths:
            if isinstance(growth, ReplyStarted):
                events += self._start(growth.id, growth.model)
                continue
            events += self._start("", "")
            events += self._grow(growth)
            has_token = True
            is_end = isinstance(growth, ReplyEnded)
        return Batch(tuple(events), has_token=has_token, is_end=is_end)

    def _start(self, id_: str, model: str) -> list[Event]:
        if self._is_started:
            return []
        self._is_started = True
        message = {**_head(id_, model or self._model), "usage": message_usage(_UNKNOWN)}
        return [_event("message_start", message=message)]

    def _grow(
        self, growth: TextGrown | ThinkingGrown | ToolCallStarted | ArgumentsGrown | ReplyEnded
    ) -> list[Event]:
        match growth:
            case TextGrown(text=text):
                start = self._say("text")
                return [*start, self._delta(type="text_delta", text=text)]
            case ThinkingGrown(text=text):
                start = self._say("thinking")
                return [*start, self._delta(type="thinking_delta", thinking=text)]
            case ToolCallStarted(index=number, id=id_, name=name):
                closed = self._close_finished()
                self._calls[number] = _OpenCall(self._blocks)
                return [*closed, self._open(type="tool_use", id=id_, name=name, input={})]
            case ArgumentsGrown(index=number, text=text):
                return self._argue(number, text)
            case ReplyEnded():
                return self._end(growth)
            case _:
                assert_never(growth)

    def _say(self, kind: Literal["text", "thinking"]) -> list[Event]:
        """Make sure that a block of this kind is open."""
        if self._said == kind:
            return []
        closed = self._close_finished()
        self._said = kind
        if kind == "text":
            return [*closed, self._open(type="text", text="")]
        return [*closed, self._open(type="thinking", thinking="", signature="")]

    def _argue(self, number: int, text: str) -> list[Event]:
        call = self._calls.get(number)
        if call is None:
            if text.strip():
                raise MalformedAnswer("arguments go on after the end of a tool call")
            return []
        call.pieces.append(text)
        call.size += len(text)
        if call.size > _ARGUMENTS_LIMIT:
            raise MalformedAnswer(f"arguments are longer than {_ARGUMENTS_LIMIT} characters")
        delta = {"type": "input_json_delta", "partial_json": text}
        return [_event("content_block_delta", index=call.index, delta=delta)]

    def _close_finished(self) -> list[Event]:
        """Close the words, and the calls to which nothing can be added."""
        events: list[Event] = []
        if self._said is not None:
            events.append(_event("content_block_stop", index=self._blocks - 1))
            self._said = None
        for number, call in list(self._calls.items()):
            if call.is_complete:
                events.append(_event("content_block_stop", index=call.index))
                del self._calls[number]
        return events

    def _end(self, ended: ReplyEnded) -> list[Event]:
        events = self._close_finished()
        for call in self._calls.values():
            if "".join(call.pieces).strip():
                raise MalformedAnswer("the arguments of a tool call are not a JSON object")
            events.append(_event("content_block_stop", index=call.index))
        self._calls.clear()
        delta = {"stop_reason": _STOP_REASON[ended.stop], "stop_sequence": None}
        usage = message_usage(ended.usage or _UNKNOWN)
        return [*events, _event("message_delta", delta=delta, usage=usage), _event("message_stop")]

    def _open(self, **block: Any) -> Event:
        index = self._blocks
        self._blocks += 1
        return _event("content_block_start", index=index, content_block=block)

    def _delta(self, **delta: str) -> Event:
        return _event("content_block_delta", index=self._blocks - 1, delta=delta)


def _block(part: Part) -> Object | None:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case ToolCall(id=id_, name=name, arguments=arguments):
            return {"type": "tool_use", "id": id_, "name": name, "input": msgspec.Raw(arguments)}
        case Thinking(text=text, signature=signature):
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case LinkedImage() | EmbeddedImage() | ToolResult():
            # No model gives them in an answer of the dialects that are read here.
            return None
        case _:
            assert_never(part)


def _head(id_: str, model: str) -> Object:
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _event(name: str, **fields: Any) -> Event:
    return event(_ENCODE({"type": name, **fields}), name)
