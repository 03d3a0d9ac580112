"""Upstream adapters on real clients and loopback servers, as the contract tests build them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec
import pytest

from tests.contract.servers import Script, Served, Turn, serving
from tidegate.adapters.catalog import load
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.upstream_settings import EnvironmentProxies
from tidegate.domain.route import Personal
from tidegate.domain.secret import Secret
from tidegate.errors import UpstreamError
from tidegate.ports.upstream import Upstream, UpstreamCall, UpstreamStream

Kind = Literal["openai", "anthropic", "tidegate", "workers_ai", "embed_http"]

OWN_SETTINGS: dict[Kind, dict[str, str]] = {
    "workers_ai": {"account_id": "acc0"},
    "embed_http": {"model": "real-model"},
}
"""What a kind cannot do without."""


@dataclass(frozen=True, slots=True)
class FixedClock:
    """Tells the same time of day for ever; measures with the real clock."""

    def now(self) -> float:
        return 1_800_000_000.0

    def monotonic(self) -> float:
        return time.monotonic()


@asynccontextmanager
async def upstream(kind: Kind, served: Served, **settings: object) -> AsyncIterator[Upstream]:
    module = load(f"upstreams.{kind}")
    described = {
        "kind": kind,
        "name": "far",
        "base_url": served.url,
        "tier": "central",
        "region": "us-east",
        "zone": "us",
        "proxy": "none",
        "timeouts": {"connect_s": 2.0, "first_byte_s": 2.0, "gap_s": 2.0, "total_s": 5.0},
        **OWN_SETTINGS.get(kind, {}),
        **settings,
    }
    finished = msgspec.convert(described, module.Settings)
    client = HttptoolsClient(finished, EnvironmentProxies())
    made = module.build(finished, secret=Secret("sk-operator"), http=client, clock=FixedClock())
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def chat_call(
    *,
    stream: bool = False,
    wants_usage: bool = True,
    forward: frozenset[Personal] = frozenset(),
    credential: str | None = None,
    body: dict[str, object] | None = None,
) -> UpstreamCall:
    asked: dict[str, object] = {
        "model": "alias",
        "messages": [{"role": "user", "content": "hello"}],
        "user": "u-1",
        "metadata": {"team": "x"},
        "safety_identifier": "s-1",
        **(body or {}),
    }
    if stream:
        asked["stream"] = True
    return UpstreamCall(
        surface="chat",
        dialect="openai",
        body=msgspec.json.encode(asked),
        model="real-model",
        stream=stream,
        deadline=time.monotonic() + 5,
        request_id="req-1",
        tenant="acme",
        wants_usage=wants_usage,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tracestate="vendor=noted",
        credential=credential,
        client_address="203.0.113.9",
        forward=forward,
    )


CHAT_ANSWER = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"real-model-0101","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"Hi there"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,'
    b'"prompt_tokens_details":{"cached_tokens":4}}}'
)
MESSAGE = (
    b'{"id":"m1","type":"message","role":"assistant","model":"real-model-0101","content":'
    b'[{"type":"text","text":"Hi there"}],"stop_reason":"end_turn","usage":{"input_tokens":8,'
    b'"cache_read_input_tokens":4,"output_tokens":3}}'
)
CHAT_EVENTS = (
    (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"real-model-0101",'
        b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
    ),
    (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"real-model-0101",'
        b'"choices":[{"index":0,"delta":{"content":"Hi there"},"finish_reason":null}]}\n\n'
    ),
    (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"real-model-0101",'
        b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    ),
    (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"real-model-0101",'
        b'"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,'
        b'"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
    ),
    b"data: [DONE]\n\n",
)
MESSAGE_EVENTS = (
    (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"c1","model":'
        b'"real-model-0101","usage":{"input_tokens":8,"cache_read_input_tokens":4,'
        b'"output_tokens":1}}}\n\n'
    ),
    (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\nevent: ping\ndata: {"type":"ping"}\n\n'
    ),
    (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"text_delta","text":"Hi there"}}\n\n'
    ),
    (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":3}}\n\n'
    ),
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
WORKERS_AI_ANSWER = b'{"result":' + CHAT_ANSWER + b',"success":true,"errors":[],"messages":[]}'
WORKERS_AI_EVENTS = (
    *CHAT_EVENTS[:3],
    (
        b'data: {"response":"","usage":{"prompt_tokens":12,"completion_tokens":3,'
        b'"total_tokens":15}}\n\n'
    ),
    CHAT_EVENTS[-1],
)


def whole(kind: Kind) -> bytes:
    match kind:
        case "anthropic":
            return MESSAGE
        case "workers_ai":
            return WORKERS_AI_ANSWER
        case _:
            return CHAT_ANSWER


def events(kind: Kind) -> tuple[bytes, ...]:
    match kind:
        case "anthropic":
            return MESSAGE_EVENTS
        case "workers_ai":
            return WORKERS_AI_EVENTS
        case _:
            return CHAT_EVENTS


def answering(
    body: bytes, status: int = 200, kind: str = "application/json", extra: str = ""
) -> Script:
    async def script(turn: Turn) -> None:
        await turn.answer(body, status, kind, extra)

    return script


def streaming(*pieces: bytes) -> Script:
    async def script(turn: Turn) -> None:
        await turn.stream(*pieces)

    return script


async def fail(kind: Kind, script: Script, call: UpstreamCall, **settings: object) -> UpstreamError:
    """Give the error that a call or a stream ends in."""
    async with serving(script) as served, upstream(kind, served, **settings) as far:
        answer = collect(far, call) if call.stream else far.call(call)
        with pytest.raises(UpstreamError) as caught:
            await answer
    assert caught.value.upstream == "far"
    assert "hello" not in str(caught.value)
    return caught.value


async def collect(far: Upstream, call: UpstreamCall) -> tuple[UpstreamStream, bytes]:
    stream = await far.stream(call)
    try:
        raw = b""
        async for batch in stream.batches():
            raw += b"".join(event.raw for event in batch.events)
    finally:
        await stream.close()
    return stream, raw
