"""What `ports.Upstream` promises, for every kind, against servers that answer well and badly."""

import asyncio

import msgspec
import pytest

from tests.contract.servers import Turn, serving
from tests.contract.upstreams import (
    Kind,
    answering,
    chat_call,
    collect,
    events,
    fail,
    streaming,
    upstream,
    whole,
)
from tidegate.domain.zone import Place
from tidegate.errors import (
    UpstreamCut,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tidegate.wire.chat_replay import aggregate_chat
from tidegate.wire.failures import error_body

KINDS: tuple[Kind, ...] = ("openai", "tidegate", "anthropic", "workers_ai")
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
"""Every kind that holds conversations."""

LISTS_AT_MODELS = pytest.mark.parametrize("kind", ["openai", "tidegate", "anthropic"])


@EVERY_KIND
async def test_a_whole_answer_is_a_chat_completion_with_model_and_usage(kind: Kind) -> None:
    async with serving(answering(whole(kind))) as served, upstream(kind, served) as far:
        answer = await far.call(chat_call())
    body = msgspec.json.decode(answer.body)
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "Hi there"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert answer.model == "real-model-0101"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 3)
    assert answer.usage.cached_input_tokens == 4
    assert answer.first_byte_s is not None
    assert answer.lossy == ()


@EVERY_KIND
async def test_a_stream_arrives_in_order_and_says_what_it_took(kind: Kind) -> None:
    async with serving(streaming(*events(kind))) as served, upstream(kind, served) as far:
        stream, raw = await collect(far, chat_call(stream=True))
    assert raw.endswith(b"data: [DONE]\n\n")
    assert raw.count(b"[DONE]") == 1
    assert b'"content":"Hi there"' in raw
    assert b'"prompt_tokens":12' in raw
    assert stream.model == "real-model-0101"
    assert stream.usage is not None
    assert (stream.usage.input_tokens, stream.usage.output_tokens) == (12, 3)


@EVERY_KIND
async def test_a_stream_read_to_its_end_holds_the_whole_answer(kind: Kind) -> None:
    async with serving(streaming(*events(kind))) as served, upstream(kind, served) as far:
        stream = await far.stream(chat_call(stream=True))
        gathered = [event async for batch in stream.batches() for event in batch.events]
        await stream.close()
    body = msgspec.json.decode(aggregate_chat(gathered))
    assert body["choices"][0]["message"]["content"] == "Hi there"


@EVERY_KIND
async def test_usage_that_only_we_asked_for_is_counted_and_left_out(kind: Kind) -> None:
    async with serving(streaming(*events(kind))) as served, upstream(kind, served) as far:
        stream, raw = await collect(far, chat_call(stream=True, wants_usage=False))
    assert b"prompt_tokens" not in raw
    assert stream.usage is not None
    assert stream.usage.input_tokens == 12


@EVERY_KIND
async def test_batches_come_as_the_server_sends_them(kind: Kind) -> None:
    taken = asyncio.Queue[None]()

    async def script(turn: Turn) -> None:
        await turn.open_stream()
        *early, last = events(kind)
        for piece in early[:3]:
            await turn.chunk(piece)
        # Nothing more is sent until the client has seen a token.
        await taken.get()
        for piece in (*early[3:], last):
            await turn.chunk(piece)
        await turn.end_stream()

    async with serving(script) as served, upstream(kind, served) as far:
        stream = await far.stream(chat_call(stream=True))
        ends = []
        async for batch in stream.batches():
            if batch.has_token and not taken.qsize():
                taken.put_nowait(None)
            ends.append(batch.is_end)
        await stream.close()
    assert ends[-1] is True
    assert ends.count(True) == 1


@EVERY_KIND
async def test_calls_and_streams_reuse_a_connection(kind: Kind) -> None:
    async def script(turn: Turn) -> None:
        if b'"stream":true' in turn.seen.body:
            await turn.stream(*events(kind))
        else:
            await turn.answer(whole(kind))

    async with serving(script) as served, upstream(kind, served) as far:
        for _ in range(3):
            await collect(far, chat_call(stream=True))
            await far.call(chat_call())
    assert served.connections == 1


@EVERY_KIND
async def test_the_model_is_renamed_and_persons_stay_behind(kind: Kind) -> None:
    async with serving(answering(whole(kind))) as served, upstream(kind, served) as far:
        await far.call(chat_call())
    seen = served.seen[0]
    body = msgspec.json.decode(seen.body)
    assert body.get("model") == "real-model" or seen.target.endswith("/run/real-model")
    assert not {"user", "metadata", "safety_identifier"} & set(body)
    assert "x-forwarded-for" not in seen.headers
    assert seen.headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert seen.headers["tracestate"] == "vendor=noted"
    assert seen.headers["content-type"] == "application/json"
    assert "sk-operator" in (seen.headers.get("authorization") or seen.headers["x-api-key"])


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_what_the_route_lets_go_goes(kind: Kind) -> None:
    forward = chat_call(forward=frozenset({"user", "metadata", "client_address"}))
    async with serving(answering(whole(kind))) as served, upstream(kind, served) as far:
        await far.call(forward)
    body = msgspec.json.decode(served.seen[0].body)
    assert (body["user"], body["safety_identifier"]) == ("u-1", "s-1")
    assert body["metadata"] == {"team": "x"}
    assert served.seen[0].headers["x-forwarded-for"] == "203.0.113.9"


@EVERY_KIND
async def test_passthrough_sends_the_clients_credential_and_never_the_operators(
    kind: Kind,
) -> None:
    async with (
        serving(answering(b"{}", 401)) as served,
        upstream(kind, served, credentials="passthrough") as far,
    ):
        with pytest.raises(UpstreamStatus) as caught:
            await far.call(chat_call(credential="client-key"))
        with pytest.raises(UpstreamStatus):
            await far.call(chat_call(credential=None))
    assert caught.value.is_clients_credential
    with_key, without = (str(seen.headers) for seen in served.seen)
    assert "client-key" in with_key
    assert "sk-operator" not in with_key + without


@EVERY_KIND
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503, 529])
async def test_an_error_status_keeps_its_number_and_body(
    kind: Kind, status: int, *, stream: bool
) -> None:
    native: dict[Kind, bytes] = {
        "anthropic": b'{"type":"error","error":{"type":"e","message":"no"},"request_id":"r"}',
        "workers_ai": b'{"result":null,"success":false,"errors":[{"code":1,"message":"no"}]}',
    }
    told = native.get(kind, error_body("no", type="some_error"))
    script = answering(told, status, extra="Retry-After: 7\r\n")
    error = await fail(kind, script, chat_call(stream=stream))
    assert isinstance(error, UpstreamStatus)
    assert error.status == status
    assert error.retry_after_s == 7
    assert msgspec.json.decode(error.body)["error"]["message"] == "no"
    assert not error.is_clients_credential


@EVERY_KIND
async def test_retry_after_may_be_a_date(kind: Kind) -> None:
    # Ninety seconds after the fixed clock of these tests.
    script = answering(b"", 429, extra="Retry-After: Fri, 15 Jan 2027 08:01:30 GMT\r\n")
    error = await fail(kind, script, chat_call())
    assert isinstance(error, UpstreamStatus)
    assert error.retry_after_s == 90


@EVERY_KIND
async def test_a_redirect_is_an_error_and_not_followed(kind: Kind) -> None:
    error = await fail(kind, answering(b"", 307, extra="Location: /\r\n"), chat_call())
    assert isinstance(error, UpstreamStatus)
    assert error.status == 307


@EVERY_KIND
async def test_a_huge_error_page_is_not_kept(kind: Kind) -> None:
    error = await fail(kind, answering(b"x" * 3_000_000, 500, "text/html"), chat_call())
    assert isinstance(error, UpstreamStatus)
    assert error.body == b""


@EVERY_KIND
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>504</html>",
        b'{"choices":[',
        b"[]",
        b"{}",
        b'{"error":{"message":"x","type":"server_error"}}',
        b'{"type":"error","error":{"type":"api_error","message":"x"}}',
        b'{"choices":"no","content":"no"}',
    ],
)
async def test_a_200_that_is_no_answer_is_malformed(kind: Kind, body: bytes) -> None:
    assert isinstance(await fail(kind, answering(body), chat_call()), UpstreamMalformed)


@EVERY_KIND
@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_a_stream_that_is_none_is_malformed(kind: Kind, content_type: str) -> None:
    script = answering(whole(kind), kind=content_type)
    error = await fail(kind, script, chat_call(stream=True))
    assert isinstance(error, UpstreamMalformed)


@EVERY_KIND
async def test_a_stream_with_an_event_that_is_no_json_is_malformed(kind: Kind) -> None:
    script = streaming(events(kind)[0], b"data: {oops\n\n")
    assert isinstance(await fail(kind, script, chat_call(stream=True)), UpstreamMalformed)


@EVERY_KIND
async def test_a_stream_that_stops_early_is_cut(kind: Kind) -> None:
    error = await fail(kind, streaming(*events(kind)[:2]), chat_call(stream=True))
    assert isinstance(error, UpstreamCut)


@EVERY_KIND
async def test_a_stream_whose_connection_breaks_is_cut(kind: Kind) -> None:
    async def script(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(events(kind)[0])
        turn.cut()

    assert isinstance(await fail(kind, script, chat_call(stream=True)), UpstreamCut)


@EVERY_KIND
async def test_a_stream_that_falls_silent_times_out(kind: Kind) -> None:
    async def script(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(events(kind)[0])
        await turn.wait_for_client_to_leave()

    limits = {"gap_s": 0.05}
    error = await fail(kind, script, chat_call(stream=True), timeouts=limits)
    assert isinstance(error, UpstreamTimeout)
    assert error.phase == "gap"


@EVERY_KIND
@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_says_nothing_times_out(kind: Kind, *, stream: bool) -> None:
    async def script(turn: Turn) -> None:
        await turn.wait_for_client_to_leave()

    limits = {"first_byte_s": 0.05}
    error = await fail(kind, script, chat_call(stream=stream), timeouts=limits)
    assert isinstance(error, UpstreamTimeout)
    assert error.phase == "first_byte"


@EVERY_KIND
async def test_a_server_that_is_gone_is_unreachable(kind: Kind) -> None:
    async with serving(answering(b"")) as served:
        gone = served
    async with upstream(kind, gone) as far:
        with pytest.raises(UpstreamUnreachable):
            await far.call(chat_call())


@EVERY_KIND
async def test_leaving_a_stream_closes_the_connection(kind: Kind) -> None:
    async def script(turn: Turn) -> None:
        await turn.open_stream()
        for piece in events(kind)[:3]:
            await turn.chunk(piece)
        await turn.wait_for_client_to_leave()

    async with serving(script) as served, upstream(kind, served) as far:
        stream = await far.stream(chat_call(stream=True))
        async for batch in stream.batches():
            if batch.has_token:
                break
        await stream.close()
        await stream.close()
        await asyncio.wait_for(served.left.wait(), 2)


@EVERY_KIND
async def test_no_store_is_passed_on(kind: Kind) -> None:
    script = answering(whole(kind), extra="Cache-Control: private, no-store\r\n")
    async with serving(script) as served, upstream(kind, served) as far:
        assert not (await far.call(chat_call())).may_store


@LISTS_AT_MODELS
async def test_models_are_listed(kind: Kind) -> None:
    script = answering(b'{"object":"list","data":[{"id":"a"},{"id":"b"}],"has_more":false}')
    async with serving(script) as served, upstream(kind, served) as far:
        assert list(await far.models(chat_call().deadline)) == ["a", "b"]
    assert served.seen[0].method == "GET"
    assert served.seen[0].target.startswith("/v1/models")


@EVERY_KIND
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":[{"name":"a"}]}'])
async def test_a_list_of_models_that_is_none_is_malformed(kind: Kind, body: bytes) -> None:
    async with serving(answering(body)) as served, upstream(kind, served) as far:
        with pytest.raises(UpstreamMalformed):
            await far.models(chat_call().deadline)


@EVERY_KIND
async def test_name_and_place_are_as_configured(kind: Kind) -> None:
    async with serving(answering(b"")) as served, upstream(kind, served) as far:
        assert far.name == "far"
        assert far.place == Place("central", "us-east", "us")
