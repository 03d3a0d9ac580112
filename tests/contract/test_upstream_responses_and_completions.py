"""The Responses API and the older completions at every kind of upstream: relayed or crossed."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.contract.servers import serving
from tests.contract.upstreams import (
    CHAT_ANSWER,
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
from tidegate.domain.answer import Usage
from tidegate.domain.request import Dialect
from tidegate.errors import InvalidRequest, UpstreamCut, UpstreamMalformed, UpstreamStatus
from tidegate.ports.upstream import UpstreamCall

GOLDEN = Path(__file__).parents[1] / "wire" / "golden"
NATIVE: list[tuple[Kind, dict[str, str]]] = [("openai", {"responses": "native"}), ("tidegate", {})]
CROSSED: list[tuple[Kind, str]] = [
    ("openai", "/v1/chat/completions"),
    ("anthropic", "/v1/messages"),
]


def asking(dialect: Dialect, *, stream: bool = False, **fields: object) -> UpstreamCall:
    asked = {"model": "alias", **fields, **({"stream": True} if stream else {})}
    return replace(chat_call(stream=stream), dialect=dialect, body=msgspec.json.encode(asked))


def response(*, stream: bool = False, **fields: object) -> UpstreamCall:
    return asking("responses", stream=stream, **{"input": "hello", **fields})


def completion(*, stream: bool = False, **fields: object) -> UpstreamCall:
    return asking("completions", stream=stream, **{"prompt": "hello", **fields})


def pieces(name: str) -> list[bytes]:
    return [block + b"\n\n" for block in (GOLDEN / name).read_bytes().split(b"\n\n") if block]


@pytest.mark.parametrize(("kind", "settings"), NATIVE)
async def test_a_response_is_relayed_byte_for_byte(kind: Kind, settings: dict[str, str]) -> None:
    body = (GOLDEN / "responses/native.json").read_bytes()
    asked = response(store=True, tools=[{"type": "web_search"}], x_knob=1.5)
    async with serving(answering(body)) as served, upstream(kind, served, **settings) as far:
        answer = await far.call(asked)
    assert (answer.body, answer.lossy) == (body, ())
    assert (answer.model, answer.usage) == ("gpt-6-luna-2026-08-01", Usage(27, 43))
    [seen] = served.seen
    assert seen.target == "/v1/responses"
    assert seen.body == asked.body.replace(b'"alias"', b'"real-model"')


@pytest.mark.parametrize(("kind", "settings"), NATIVE)
async def test_a_streamed_response_is_relayed_byte_for_byte(
    kind: Kind, settings: dict[str, str]
) -> None:
    script = streaming(*pieces("responses/native.sse"))
    async with serving(script) as served, upstream(kind, served, **settings) as far:
        stream, raw = await collect(far, response(stream=True))
    assert raw == (GOLDEN / "responses/native.sse").read_bytes()
    assert (stream.model, stream.usage) == ("gpt-6-luna-2026-08-01", Usage(27, 43))


async def test_a_failed_response_is_the_status_that_it_stands_for() -> None:
    script = streaming(*pieces("responses/native_failed.sse"))
    error = await fail("openai", script, response(stream=True), responses="native")
    assert isinstance(error, UpstreamStatus)
    assert error.status == 429
    assert msgspec.json.decode(error.body)["error"]["message"] == "Rate limit reached."


async def test_a_streamed_response_without_its_end_is_cut() -> None:
    script = streaming(*pieces("responses/native.sse")[:-1])
    error = await fail("openai", script, response(stream=True), responses="native")
    assert isinstance(error, UpstreamCut)


async def test_a_response_that_failed_is_no_answer() -> None:
    body = b'{"object":"response","status":"failed","output":[],"error":{"code":"server_error"}}'
    error = await fail("openai", answering(body), response(), responses="native")
    assert isinstance(error, UpstreamMalformed)


@pytest.mark.parametrize(("kind", "path"), CROSSED)
async def test_a_response_is_crossed(kind: Kind, path: str) -> None:
    async with serving(answering(whole(kind))) as served, upstream(kind, served) as far:
        answer = await far.call(response(reasoning={"effort": "low"}))
    assert served.seen[0].target == path
    told = msgspec.json.decode(answer.body)
    assert (told["object"], told["status"], told["model"]) == (
        "response",
        "completed",
        "real-model-0101",
    )
    assert told["output"][0]["content"][0]["text"] == "Hi there"
    assert (answer.usage, answer.lossy) == (Usage(12, 3, 4), ("reasoning",))


@pytest.mark.parametrize(("kind", "path"), CROSSED)
async def test_a_streamed_response_is_crossed(kind: Kind, path: str) -> None:
    async with serving(streaming(*events(kind))) as served, upstream(kind, served) as far:
        stream, raw = await collect(far, response(stream=True))
    assert served.seen[0].target == path
    assert raw.startswith(b"event: response.created\n")
    assert raw.count(b"event: response.completed\n") == 1
    assert b"[DONE]" not in raw
    assert stream.usage == Usage(12, 3, 4)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_kept_state_is_refused_by_name_where_nobody_keeps_it(
    kind: Kind, *, stream: bool
) -> None:
    asked = response(stream=stream, previous_response_id="resp_1")
    async with serving(answering(whole(kind))) as served, upstream(kind, served) as far:
        with pytest.raises(InvalidRequest) as caught:
            await (far.stream(asked) if stream else far.call(asked))
    assert caught.value.param == "previous_response_id"
    assert served.seen == []


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_a_completion_is_relayed_byte_for_byte(kind: Kind) -> None:
    body = (GOLDEN / "completions/native.json").read_bytes()
    asked = completion(prompt=["a", "b"], logprobs=1)
    async with serving(answering(body)) as served, upstream(kind, served) as far:
        answer = await far.call(asked)
    assert answer.body == body
    [seen] = served.seen
    assert seen.target == "/v1/completions"
    assert seen.body == asked.body.replace(b'"alias"', b'"real-model"')


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_a_streamed_completion_is_relayed_and_its_usage_counted(kind: Kind) -> None:
    script = streaming(*pieces("completions/native.sse"))
    async with serving(script) as served, upstream(kind, served) as far:
        stream, raw = await collect(far, completion(stream=True))
    assert raw == (GOLDEN / "completions/native.sse").read_bytes()
    assert stream.usage == Usage(4, 4)


async def test_a_completion_is_crossed_to_chat() -> None:
    async with (
        serving(answering(CHAT_ANSWER)) as served,
        upstream("openai", served, completions="chat") as far,
    ):
        answer = await far.call(completion(echo=True))
    assert served.seen[0].target == "/v1/chat/completions"
    told = msgspec.json.decode(answer.body)
    assert (told["object"], told["choices"][0]["text"]) == ("text_completion", "Hi there")
    assert answer.lossy == ("echo",)


@pytest.mark.parametrize(
    ("kind", "settings"), [("openai", {"completions": "chat"}), ("anthropic", {})]
)
async def test_a_streamed_completion_is_crossed(kind: Kind, settings: dict[str, str]) -> None:
    script = streaming(*events(kind))
    async with serving(script) as served, upstream(kind, served, **settings) as far:
        stream, raw = await collect(far, completion(stream=True))
    assert b'"text":"Hi there"' in raw
    assert raw.endswith(b"data: [DONE]\n\n")
    assert stream.usage == Usage(12, 3, 4)


async def test_several_prompts_are_refused_where_only_chat_is_spoken() -> None:
    async with (
        serving(answering(whole("anthropic"))) as served,
        upstream("anthropic", served) as far,
    ):
        with pytest.raises(InvalidRequest) as caught:
            await far.call(completion(prompt=["a", "b"]))
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n", b""])
async def test_a_streamed_response_is_whole_whatever_the_line_ends(end: bytes) -> None:
    *first, last = pieces("responses/native.sse")
    told = [piece.replace(b"\n", b"\r\n") for piece in first]
    script = streaming(*told, last.removesuffix(b"\n\n") + end)
    async with (
        serving(script) as served,
        upstream("openai", served, responses="native") as far,
    ):
        stream, raw = await collect(far, response(stream=True))
    assert raw.replace(b"\r\n", b"\n").rstrip(b"\n") == b"".join((*first, last)).rstrip(b"\n")
    assert raw.endswith((b"\n\n", b"\r\n\r\n", b"\n"))
    assert stream.usage == Usage(27, 43)


async def test_a_stream_that_ends_within_its_last_event_is_cut() -> None:
    *first, last = pieces("responses/native.sse")
    script = streaming(*first, last[: len(last) // 2])
    error = await fail("openai", script, response(stream=True), responses="native")
    assert isinstance(error, UpstreamCut)


@pytest.mark.parametrize(
    "usage", [b"null", b'{"input_tokens":-1}', b'{"input_tokens":1e99}', b"[]"]
)
async def test_usage_that_cannot_be_is_not_known(usage: bytes) -> None:
    body = b'{"object":"response","model":"m","output":[],"usage":' + usage + b"}"
    async with (
        serving(answering(body)) as served,
        upstream("openai", served, responses="native") as far,
    ):
        answer = await far.call(response())
    assert answer.usage is None
    assert answer.body == body


async def test_an_image_of_twenty_megabytes_is_crossed() -> None:
    url = "data:image/png;base64," + "A" * 20_000_000
    parts = [{"type": "input_image", "image_url": url}]
    asked = response(input=[{"role": "user", "content": parts}])
    async with serving(answering(CHAT_ANSWER)) as served, upstream("openai", served) as far:
        answer = await far.call(asked)
    assert answer.usage == Usage(12, 3, 4)
    assert url.encode() in served.seen[0].body
