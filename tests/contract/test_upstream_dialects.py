"""What is particular to each kind of upstream: relaying, typed decisions, translation."""

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
    chat_call,
    collect,
    fail,
    streaming,
    upstream,
    whole,
)
from tidegate.errors import (
    UpstreamMalformed,
    UpstreamStatus,
)
from tidegate.ports.upstream import UpstreamCall


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_bytes_of_the_openai_dialect_are_relayed_untouched(kind: Kind) -> None:
    odd = CHAT_ANSWER[:-1] + b' ,  "x_vendor" : [1.50, 1e3] }'
    async with serving(answering(odd)) as served, upstream(kind, served) as far:
        answer = await far.call(chat_call(body={"x_knob": 1.5}))
    assert answer.body == odd
    assert b'"x_knob":1.5' in served.seen[0].body


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_a_whole_request_can_be_asked_for_as_a_stream(kind: Kind) -> None:
    call = replace(chat_call(), stream=True)
    async with serving(streaming(*CHAT_EVENTS)) as served, upstream(kind, served) as far:
        await collect(far, call)
    body = msgspec.json.decode(served.seen[0].body)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_a_finished_stream_without_its_end_is_given_one(kind: Kind) -> None:
    async with serving(streaming(*CHAT_EVENTS[:4])) as served, upstream(kind, served) as far:
        _, raw = await collect(far, chat_call(stream=True))
    assert raw == b"".join(CHAT_EVENTS)


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'{"error":{"message":"busy","type":"server_error","code":503}}', 503),
        (b'{"error":{"message":"busy","type":"server_error","code":null}}', None),
    ],
)
async def test_an_error_event_in_band_is_an_error(
    kind: Kind, event: bytes, expected: int | None
) -> None:
    script = streaming(CHAT_EVENTS[0], b"data: " + event + b"\n\n")
    error = await fail(kind, script, chat_call(stream=True))
    if expected is None:
        assert isinstance(error, UpstreamMalformed)
    else:
        assert isinstance(error, UpstreamStatus)
        assert error.status == expected


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_embeddings_are_relayed(kind: Kind) -> None:
    body = (
        b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],'
        b'"model":"real-model","usage":{"prompt_tokens":2,"total_tokens":2}}'
    )
    call = replace(
        chat_call(), surface="embeddings", body=b'{"model":"alias","input":"hello","user":"u"}'
    )
    async with serving(answering(body)) as served, upstream(kind, served) as far:
        answer = await far.call(call)
    assert answer.body == body
    assert answer.usage is not None
    assert answer.usage.input_tokens == 2
    assert served.seen[0].target == "/v1/embeddings"
    assert msgspec.json.decode(served.seen[0].body) == {"model": "real-model", "input": "hello"}


DECISIONS_CALL: dict[str, Any] = {
    "model": "alias",
    "input": "hello",
    "questions": [{"type": "predicate", "name": "p", "instructions": "It greets."}],
}


def decisions_call() -> UpstreamCall:
    body = msgspec.json.encode(DECISIONS_CALL)
    return replace(chat_call(), surface="decisions", body=body)


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_decisions_are_relayed_and_checked(kind: Kind) -> None:
    usage = (
        b'"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":0,'
        b'"cache_write_tokens":0},"output_tokens":1,"output_tokens_details":'
        b'{"reasoning_tokens":0},"total_tokens":6}}'
    )
    good = (
        b'{"model":"real-model","answers":[{"type":"predicate","name":"p","probability":0.9}],'
        + usage
    )
    async with serving(answering(good)) as served, upstream(kind, served) as far:
        answer = await far.call(decisions_call())
    assert answer.body == good
    assert served.seen[0].target == "/v1/decisions"
    for bad in (b'{"model":"m","answers":[],' + usage, good.replace(b"0.9", b"1.9")):
        error = await fail(kind, answering(bad), decisions_call())
        assert isinstance(error, UpstreamMalformed)


@pytest.mark.parametrize(
    ("kind", "settings"), [("openai", {"decisions": "chat"}), ("anthropic", {})]
)
async def test_decisions_are_asked_of_a_chat_model(kind: Kind, settings: dict[str, str]) -> None:
    answer_text = b'{\\"q1\\":true}'
    script = answering(whole(kind).replace(b"Hi there", answer_text))
    async with serving(script) as served, upstream(kind, served, **settings) as far:
        answer = await far.call(decisions_call())
    body = msgspec.json.decode(answer.body)
    assert body["answers"][0]["probability"] == pytest.approx(0.5)
    assert body["usage"]["input_tokens"] == 12
    assert "probabilities" in answer.lossy
    assert b"json_schema" in served.seen[0].body
    error = await fail(kind, answering(whole(kind)), decisions_call(), **settings)
    assert isinstance(error, UpstreamMalformed)


async def test_the_next_tier_is_told_the_time_left_the_tenant_and_the_request() -> None:
    script = answering(CHAT_ANSWER, extra="x-tidegate-lossy: probabilities, bad name!, top_p\r\n")
    async with serving(script) as served, upstream("tidegate", served) as far:
        answer = await far.call(chat_call())
    headers = served.seen[0].headers
    assert 0 < int(headers["x-request-timeout-ms"]) <= 5000
    assert headers["x-tidegate-tenant"] == "acme"
    assert headers["x-request-id"] == "req-1"
    assert answer.lossy == ("probabilities", "top_p")


async def test_a_stranger_is_told_neither_tenant_nor_request() -> None:
    async with serving(answering(CHAT_ANSWER)) as served, upstream("openai", served) as far:
        await far.call(chat_call())
    assert "acme" not in str(served.seen[0].headers)
    assert "req-1" not in str(served.seen[0].headers)


@pytest.mark.parametrize(
    ("event", "status"),
    [(b"overloaded_error", 529), (b"rate_limit_error", 429), (b"never_seen_error", 500)],
)
async def test_an_anthropic_error_event_has_the_status_it_has_elsewhere(
    event: bytes, status: int
) -> None:
    data = b'{"type":"error","error":{"type":"' + event + b'","message":"no"}}'
    script = streaming(MESSAGE_EVENTS[0], b"event: error\ndata: " + data + b"\n\n")
    error = await fail("anthropic", script, chat_call(stream=True))
    assert isinstance(error, UpstreamStatus)
    assert error.status == status
    assert msgspec.json.decode(error.body)["error"]["type"] == event.decode()


async def test_a_prompt_too_long_for_anthropic_has_the_code_of_the_openai_dialect() -> None:
    body = (
        b'{"type":"error","error":{"type":"invalid_request_error","message":'
        b'"prompt is too long: 9 tokens > 8 maximum"}}'
    )
    error = await fail("anthropic", answering(body, 400), chat_call())
    assert isinstance(error, UpstreamStatus)
    assert msgspec.json.decode(error.body)["error"]["code"] == "context_length_exceeded"


async def test_anthropic_is_asked_in_its_own_words() -> None:
    async with serving(answering(MESSAGE)) as served, upstream("anthropic", served) as far:
        answer = await far.call(chat_call(body={"seed": 4, "n": 1, "temperature": 1}))
    seen = served.seen[0]
    assert seen.target == "/v1/messages"
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert seen.headers["x-api-key"] == "sk-operator"
    assert "authorization" not in seen.headers
    assert answer.lossy == ("seed",)


async def test_anthropic_offers_no_embeddings() -> None:
    call = replace(chat_call(), surface="embeddings", body=b'{"model":"a","input":"hello"}')
    error = await fail("anthropic", answering(b""), call)
    assert isinstance(error, UpstreamStatus)
    assert error.status == 404
