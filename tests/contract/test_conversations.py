"""Messages through every kind of upstream: relayed byte for byte, or crossed with losses named."""

import time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.contract.servers import serving
from tests.contract.upstreams import (
    CHAT_ANSWER,
    CHAT_EVENTS,
    MESSAGE,
    MESSAGE_EVENTS,
    Kind,
    answering,
    collect,
    fail,
    streaming,
    upstream,
)
from tidegate.domain.answer import Usage
from tidegate.errors import InvalidRequest, UpstreamCut, UpstreamMalformed, UpstreamStatus
from tidegate.ports.upstream import TokenCounter, UpstreamCall

NATIVE: list[Kind] = ["anthropic", "tidegate"]

CLAUDE_CODE = (
    b'{"model": "claude-opus-4-6","messages":[{"role":"user","content":[{"type":"text","text":'
    b'"<system-reminder>\\u0041 hint</system-reminder>"},{"type":"text","text":"hello",'
    b'"cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"system":[{"type":"text","text":'
    b'"You are Claude Code.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"cwd"}],'
    b'"tools":[{"name":"Bash","description":"Runs.","input_schema":{"$schema":'
    b'"http://json-schema.org/draft-07/schema#","type":"object","properties":{"command":'
    b'{"type":"string"}},"additionalProperties":false},"eager_input_streaming":true}],"metadata":'
    b'{"user_id":"user_abc_account__session_1"},"max_tokens":32000,"thinking":{"type":"enabled",'
    b'"budget_tokens":31999},"context_management":{"edits":[{"type":"clear_thinking_20251015",'
    b'"keep":"all"}]},"temperature":1 ,"stream":true}'
)
"""The shape of a request of Claude Code: odd spacing and escapes stand for bytes to keep."""

CLIENT_HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
}


def messages_call(*, stream: bool = False, **fields: Any) -> UpstreamCall:
    body = {
        "model": "alias",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "hello"}],
        "metadata": {"user_id": "u-1"},
        **fields,
    }
    return UpstreamCall(
        surface="chat",
        dialect="anthropic",
        body=msgspec.json.encode({**body, "stream": True} if stream else body),
        model="real-model",
        stream=stream,
        deadline=time.monotonic() + 5,
        request_id="req-1",
        tenant="acme",
        client_headers=CLIENT_HEADERS,
    )


@pytest.mark.parametrize("kind", NATIVE)
async def test_a_request_of_claude_code_is_relayed_byte_for_byte(kind: Kind) -> None:
    call = replace(
        messages_call(stream=True),
        body=CLAUDE_CODE,
        model="claude-opus-4-6",
        forward=frozenset({"metadata"}),
    )
    async with serving(streaming(*MESSAGE_EVENTS)) as served, upstream(kind, served) as far:
        stream, raw = await collect(far, call)
    seen = served.seen[0]
    assert seen.target == "/v1/messages"
    assert seen.body == CLAUDE_CODE
    assert seen.headers["anthropic-beta"] == CLIENT_HEADERS["anthropic-beta"]
    assert raw == b"".join(MESSAGE_EVENTS)
    assert (stream.lossy, stream.usage, stream.model) == (
        (),
        Usage(12, 3, 4),
        "real-model-0101",
    )


@pytest.mark.parametrize("kind", NATIVE)
async def test_only_what_must_change_is_changed(kind: Kind) -> None:
    call = replace(messages_call(stream=True), body=CLAUDE_CODE)
    async with serving(streaming(*MESSAGE_EVENTS)) as served, upstream(kind, served) as far:
        await collect(far, call)
    sent = msgspec.json.decode(served.seen[0].body, type=dict[str, msgspec.Raw])
    asked = msgspec.json.decode(CLAUDE_CODE, type=dict[str, msgspec.Raw])
    del asked["metadata"]
    asked["model"] = msgspec.Raw(b'"real-model"')
    assert {name: bytes(value) for name, value in sent.items()} == {
        name: bytes(value) for name, value in asked.items()
    }


@pytest.mark.parametrize("kind", NATIVE)
async def test_a_whole_message_is_relayed(kind: Kind) -> None:
    odd = MESSAGE[:-1] + b' ,  "x_vendor" : [1.50, 1e3] }'
    async with serving(answering(odd)) as served, upstream(kind, served) as far:
        answer = await far.call(messages_call())
    assert answer.body == odd
    assert (answer.model, answer.usage) == ("real-model-0101", Usage(12, 3, 4))


async def test_a_client_that_names_no_version_gets_the_configured_one() -> None:
    call = replace(messages_call(), client_headers={})
    async with serving(answering(MESSAGE)) as served, upstream("anthropic", served) as far:
        await far.call(call)
    assert served.seen[0].headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in served.seen[0].headers


@pytest.mark.parametrize("kind", NATIVE)
async def test_a_whole_request_can_be_asked_for_as_a_stream(kind: Kind) -> None:
    call = replace(messages_call(), stream=True)
    async with serving(streaming(*MESSAGE_EVENTS)) as served, upstream(kind, served) as far:
        await collect(far, call)
    assert msgspec.json.decode(served.seen[0].body)["stream"] is True


@pytest.mark.parametrize("kind", NATIVE)
async def test_a_stream_without_message_stop_is_cut(kind: Kind) -> None:
    error = await fail(kind, streaming(*MESSAGE_EVENTS[:-1]), messages_call(stream=True))
    assert isinstance(error, UpstreamCut)


@pytest.mark.parametrize("kind", NATIVE)
async def test_an_error_event_keeps_the_words_of_the_dialect(kind: Kind) -> None:
    data = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    script = streaming(MESSAGE_EVENTS[0], b"event: error\ndata: " + data + b"\n\n")
    error = await fail(kind, script, messages_call(stream=True))
    assert isinstance(error, UpstreamStatus)
    assert (error.status, error.body) == (529, data)


@pytest.mark.parametrize("kind", NATIVE)
async def test_an_error_keeps_the_words_of_the_dialect(kind: Kind) -> None:
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'
    error = await fail(kind, answering(body, 400), messages_call())
    assert isinstance(error, UpstreamStatus)
    assert error.body == body


@pytest.mark.parametrize("kind", NATIVE)
async def test_what_is_no_message_is_malformed(kind: Kind) -> None:
    assert isinstance(await fail(kind, answering(CHAT_ANSWER), messages_call()), UpstreamMalformed)


async def test_messages_cross_to_a_chat_upstream() -> None:
    call = messages_call(top_k=5, system="Be brief.")
    async with serving(answering(CHAT_ANSWER)) as served, upstream("openai", served) as far:
        answer = await far.call(call)
    seen = served.seen[0]
    assert seen.target == "/v1/chat/completions"
    assert "anthropic-beta" not in seen.headers
    assert msgspec.json.decode(seen.body) == {
        "model": "real-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
        ],
        "max_tokens": 64,
    }
    message = msgspec.json.decode(answer.body)
    assert message["content"] == [{"type": "text", "text": "Hi there"}]
    assert message["usage"]["cache_read_input_tokens"] == 4
    assert (answer.lossy, answer.usage) == (("top_k",), Usage(12, 3, 4))


async def test_a_chat_stream_crosses_to_messages() -> None:
    call = messages_call(stream=True)
    async with serving(streaming(*CHAT_EVENTS)) as served, upstream("openai", served) as far:
        stream, raw = await collect(far, call)
    assert raw.startswith(b"event: message_start\n")
    assert raw.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert b"[DONE]" not in raw
    assert (stream.model, stream.usage) == ("real-model-0101", Usage(12, 3, 4))


async def test_a_crossed_stream_may_lack_the_end_but_not_the_finish_reason() -> None:
    call = messages_call(stream=True)
    async with (
        serving(streaming(*CHAT_EVENTS[:-1])) as served,
        upstream("openai", served) as far,
    ):
        _, raw = await collect(far, call)
    assert raw.endswith(b'data: {"type":"message_stop"}\n\n')
    error = await fail("openai", streaming(*CHAT_EVENTS[:2]), call)
    assert isinstance(error, UpstreamCut)


async def test_errors_of_a_chat_upstream_cross() -> None:
    body = (
        b'{"error":{"message":"9 > 8","type":"invalid_request_error","param":"messages",'
        b'"code":"context_length_exceeded"}}'
    )
    error = await fail("openai", answering(body, 400), messages_call())
    assert isinstance(error, UpstreamStatus)
    assert msgspec.json.decode(error.body) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"},
    }
    failed = b'data: {"error":{"message":"busy","code":503}}\n\n'
    error = await fail("openai", streaming(CHAT_EVENTS[0], failed), messages_call(stream=True))
    assert isinstance(error, UpstreamStatus)
    assert error.status == 503
    assert msgspec.json.decode(error.body)["error"] == {"type": "api_error", "message": "busy"}


async def test_what_cannot_be_meant_is_refused_before_anything_is_sent() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}
    call = messages_call(messages=[{"role": "user", "content": [image]}])
    async with serving(answering(CHAT_ANSWER)) as served, upstream("openai", served) as far:
        with pytest.raises(InvalidRequest):
            await far.call(call)
    assert served.seen == []


@pytest.mark.parametrize("kind", NATIVE)
async def test_tokens_are_counted_by_an_upstream_that_can(kind: Kind) -> None:
    body = b'{"input_tokens": 14, "context_management": null}'
    async with serving(answering(body)) as served, upstream(kind, served) as far:
        assert isinstance(far, TokenCounter)
        answer = await far.count_tokens(messages_call())
    assert answer is not None
    assert answer.body == body
    seen = served.seen[0]
    assert seen.target == "/v1/messages/count_tokens"
    assert seen.headers["anthropic-beta"] == CLIENT_HEADERS["anthropic-beta"]
    assert msgspec.json.decode(seen.body)["model"] == "real-model"


@pytest.mark.parametrize("kind", NATIVE)
async def test_tokens_are_counted_in_no_other_dialect(kind: Kind) -> None:
    async with serving(answering(b"")) as served, upstream(kind, served) as far:
        assert isinstance(far, TokenCounter)
        assert await far.count_tokens(replace(messages_call(), dialect="openai")) is None
    assert served.seen == []
