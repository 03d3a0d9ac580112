"""Writes a reply as a chat completion: whole, or chunk by chunk."""

from collections.abc import Iterable
from typing import Any, assert_never

import msgspec

from tidegate.domain.conversation import Text, Thinking, ToolCall
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
from tidegate.ports.upstream import Batch
from tidegate.wire.sse import DONE, event
from tidegate.wire.usage import chat_usage

_FINISH_REASON: dict[Stop, str] = {
    "end": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refused": "content_filter",
}

_ENCODE = msgspec.json.Encoder().encode


def encode_reply(reply: Reply, *, created: int) -> bytes:
    """Encode a whole chat completion.

    Reasoning is `reasoning_content`: not OpenAI's, but what open servers and their clients use.
    """
    texts = [part.text for part in reply.parts if isinstance(part, Text)]
    thoughts = [part.text for part in reply.parts if isinstance(part, Thinking) and part.text]
    calls = [part for part in reply.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": None,
    }
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments.decode()},
            }
            for call in calls
        ]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _FINISH_REASON[reply.stop],
    }
    return _ENCODE(
        {
            "id": reply.id,
            "object": "chat.completion",
            "created": created,
            "model": reply.model,
            "choices": [choice],
            "usage": None if reply.usage is None else chat_usage(reply.usage),
        }
    )


class ChunkWriter:
    """Writes one streamed reply."""

    def __init__(self, *, model: str, created: int, keep_usage: bool) -> None:
        """`model` is named until the reply names its own; `keep_usage` adds the usage chunk."""
        self._head: dict[str, Any] = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._keep_usage = keep_usage

    def write(self, growths: Iterable[Growth]) -> Batch:
        """Give the chunks for what grew."""
        events: list[Event] = []
        has_token = is_end = False
        for growth in growths:
            if isinstance(growth, ReplyEnded):
                events += self._end(growth)
                has_token = is_end = True
            else:
                events.append(self._chunk([_choice(self._delta(growth), None)]))
                has_token = has_token or not isinstance(growth, ReplyStarted)
        return Batch(tuple(events), has_token=has_token, is_end=is_end)

    def _delta(
        self, growth: ReplyStarted | TextGrown | ThinkingGrown | ToolCallStarted | ArgumentsGrown
    ) -> dict[str, Any]:
        match growth:
            case ReplyStarted(id=id_, model=model):
                self._head |= {"id": id_, "model": model or self._head["model"]}
                return {"role": "assistant", "content": ""}
            case TextGrown(text=text):
                return {"content": text}
            case ThinkingGrown(text=text):
                return {"reasoning_content": text}
            case ToolCallStarted(index=index, id=id_, name=name):
                function = {"name": name, "arguments": ""}
                call = {"index": index, "id": id_, "type": "function", "function": function}
                return {"tool_calls": [call]}
            case ArgumentsGrown(index=index, text=text):
                return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}
            case _:
                assert_never(growth)

    def _end(self, ended: ReplyEnded) -> list[Event]:
        events = [self._chunk([_choice({}, _FINISH_REASON[ended.stop])])]
        if self._keep_usage and ended.usage is not None:
            events.append(self._chunk([], usage=chat_usage(ended.usage)))
        return [*events, DONE]

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> Event:
        chunk = {**self._head, "choices": choices}
        if self._keep_usage:
            chunk["usage"] = usage
        return event(_ENCODE(chunk))


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
