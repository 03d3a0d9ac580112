"""The mock in the OpenAI dialect: chat completions (whole and streamed) and embeddings."""

import base64
import hashlib
import math
import random
import struct
from typing import Annotated, Literal

import msgspec

from tidegate.mock.reply import Ask, Reply, Tool, tokens
from tidegate.mock.structured import Schema

FINGERPRINT = "tidegate-mock"
DONE = b"data: [DONE]\n\n"

MOST_ANSWERS = 128
MOST_DIMENSIONS = 4096
"""More is refused, as a real server refuses it: a vector takes memory for each number asked for."""
_DIMENSIONS = 256
_FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls"}


class _Part(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _Function(msgspec.Struct):
    name: str
    parameters: Schema = msgspec.field(default_factory=Schema)


class _Tool(msgspec.Struct):
    function: _Function


class _Named(msgspec.Struct):
    name: str


class _ToolChoice(msgspec.Struct):
    function: _Named


class _JsonSchema(msgspec.Struct, rename={"content": "schema"}):
    content: Schema = msgspec.field(default_factory=Schema)


class _ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Chat(msgspec.Struct):
    """The fields of a chat request that the mock reads."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None
    response_format: _ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_ANSWERS)] | None = None


class Embeddings(msgspec.Struct):
    """The fields of an embeddings request that the mock reads."""

    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=MOST_DIMENSIONS)] | None = None
    encoding_format: Literal["float", "base64"] = "float"


def ask(chat: Chat) -> Ask:
    """Read what the client wants."""
    texts = [(message.role, _text(message)) for message in chat.messages]
    tools = [Tool(tool.function.name, tool.function.parameters) for tool in chat.tools or ()]
    if isinstance(chat.tool_choice, _ToolChoice):
        wanted = chat.tool_choice.function.name
        tools = [tool for tool in tools if tool.name == wanted]
    is_result = bool(texts) and texts[-1][0] == "tool"
    form = chat.response_format
    return Ask(
        model=chat.model,
        text=next((text for role, text in reversed(texts) if role == "user"), ""),
        characters=sum(len(text) for _, text in texts),
        tools=() if is_result or chat.tool_choice == "none" else tuple(tools),
        schema=form.json_schema.content if form and form.json_schema else None,
        max_tokens=chat.max_completion_tokens or chat.max_tokens,
    )


def whole(chat: Chat, reply: Reply, created: int) -> bytes:
    """Give the whole answer."""
    count = chat.n or 1
    message: dict[str, object] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.call is not None:
        message |= {"content": None, "tool_calls": [_call(reply)]}
    choice = {"message": message, "logprobs": None, "finish_reason": _FINISH[reply.finish]}
    return msgspec.json.encode(
        {
            **_head(chat.model, reply, created, "chat.completion"),
            "choices": [{"index": index, **choice} for index in range(count)],
            "usage": _usage(reply, count),
        }
    )


def events(chat: Chat, reply: Reply, created: int) -> list[bytes]:
    """Give the answer as the events of a stream, `[DONE]` last."""
    head = _head(chat.model, reply, created, "chat.completion.chunk")
    count = chat.n or 1
    deltas: list[tuple[dict[str, object], str | None]] = [({"role": "assistant"}, None)]
    if reply.call is not None:
        deltas.append(({"tool_calls": [{"index": 0, **_call(reply)}]}, None))
    else:
        deltas.extend(({"content": piece}, None) for piece in reply.pieces())
    deltas.append(({}, _FINISH[reply.finish]))
    wants_usage = chat.stream_options is not None and chat.stream_options.include_usage
    usage: dict[str, object] = {"usage": None} if wants_usage else {}
    found = [
        _event(
            {
                **head,
                "choices": [
                    {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                ],
                **usage,
            }
        )
        for delta, finish in deltas
        for index in range(count)
    ]
    if wants_usage:
        found.append(_event({**head, "choices": [], "usage": _usage(reply, count)}))
    return [*found, DONE]


def embeddings(request: Embeddings) -> bytes:
    """Give vectors that depend on the text alone: equal texts, equal vectors, else unrelated."""
    inputs = _inputs(request.input)
    size = request.dimensions or _DIMENSIONS
    used = sum(tokens(len(text)) for text in inputs)
    return msgspec.json.encode(
        {
            "object": "list",
            "model": f"mock/{request.model}",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _vector(text, size, request.encoding_format),
                }
                for index, text in enumerate(inputs)
            ],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    )


def models(names: list[str]) -> bytes:
    """List models."""
    rows = [
        {"id": name, "object": "model", "created": 0, "owned_by": FINGERPRINT} for name in names
    ]
    return msgspec.json.encode({"object": "list", "data": rows})


def error(status: int, message: str) -> bytes:
    """Give an error body."""
    kind = {400: "invalid_request_error", 429: "rate_limit_error"}.get(status, "server_error")
    text = f"{message} (Tidegate mock upstream)"
    return msgspec.json.encode(
        {"error": {"message": text, "type": kind, "param": None, "code": None}}
    )


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.text)
    return message.content or ""


def _head(model: str, reply: Reply, created: int, kind: str) -> dict[str, object]:
    digest = hashlib.sha256(f"{model}{reply.text}{reply.call}".encode()).hexdigest()
    return {
        "id": f"chatcmpl-mock-{digest[:16]}",
        "object": kind,
        "created": created,
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }


def _call(reply: Reply) -> dict[str, object]:
    assert reply.call is not None
    function = {"name": reply.call.name, "arguments": reply.call.arguments}
    return {"id": reply.call.id, "type": "function", "function": function}


def _usage(reply: Reply, count: int) -> dict[str, object]:
    output = reply.output_tokens * count
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": output,
        "total_tokens": reply.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _event(body: dict[str, object]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _inputs(given: str | list[str | int | list[int]]) -> list[str]:
    if isinstance(given, str):
        return [given]
    if given and isinstance(given[0], int):
        return [repr(given)]
    return [item if isinstance(item, str) else repr(item) for item in given]


def _vector(text: str, size: int, encoding: str) -> str | list[float]:
    # Not for secrets: a generator seeded by the text makes the vector repeatable.
    draws = random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311
    raw = [draws.gauss(0.0, 1.0) for _ in range(size)]
    norm = math.sqrt(sum(value * value for value in raw)) or 1.0
    vector = [value / norm for value in raw]
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
    return vector
