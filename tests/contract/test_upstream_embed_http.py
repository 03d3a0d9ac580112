"""What a bare embedding server is asked and may answer."""

import msgspec
import pytest
from msgspec.structs import replace

from tests.contract.servers import Turn, serving
from tests.contract.upstreams import answering, chat_call, fail, upstream
from tidegate.domain.zone import Place
from tidegate.errors import UpstreamMalformed, UpstreamStatus, UpstreamTimeout, UpstreamUnreachable
from tidegate.ports.upstream import UpstreamCall

VECTORS = b"[[0.5,-0.25],[1,2]]"


def embeddings_call(**body: object) -> UpstreamCall:
    asked = {"model": "alias", "input": ["hello", "there"], "user": "u-1", **body}
    return replace(chat_call(), surface="embeddings", body=msgspec.json.encode(asked))


@pytest.mark.parametrize("body", [VECTORS, b'{"embeddings":' + VECTORS + b"}"])
async def test_texts_are_embedded(body: bytes) -> None:
    async with serving(answering(body)) as served, upstream("embed_http", served) as far:
        answer = await far.call(embeddings_call())
    seen = served.seen[0]
    assert (seen.method, seen.target) == ("POST", "/v1/embed")
    assert msgspec.json.decode(seen.body) == {"inputs": ["hello", "there"]}
    assert seen.headers["authorization"] == "Bearer sk-operator"
    assert seen.headers["traceparent"].startswith("00-")
    assert seen.headers["tracestate"] == "vendor=noted"
    told = msgspec.json.decode(answer.body)
    assert [item["embedding"] for item in told["data"]] == [[0.5, -0.25], [1.0, 2.0]]
    assert told["model"] == answer.model == "real-model"
    assert answer.usage is not None
    assert answer.usage.is_estimated


async def test_base64_is_given_to_clients_that_ask_for_it() -> None:
    async with serving(answering(VECTORS)) as served, upstream("embed_http", served) as far:
        answer = await far.call(embeddings_call(encoding_format="base64"))
    assert msgspec.json.decode(answer.body)["data"][0]["embedding"] == "AAAAPwAAgL4="


async def test_the_clients_credential_goes_where_it_shall() -> None:
    call = replace(embeddings_call(), credential="client-key")
    async with (
        serving(answering(VECTORS)) as served,
        upstream("embed_http", served, credentials="passthrough") as far,
    ):
        await far.call(call)
    assert served.seen[0].headers["authorization"] == "Bearer client-key"


@pytest.mark.parametrize(
    "call",
    [
        chat_call(),
        chat_call(stream=True),
        replace(chat_call(), surface="decisions"),
        replace(embeddings_call(), model="another-model"),
        embeddings_call(input=[1, 2, 3]),
    ],
)
async def test_all_else_is_not_offered_and_not_sent(call: UpstreamCall) -> None:
    async with serving(answering(VECTORS)) as served, upstream("embed_http", served) as far:
        with pytest.raises(UpstreamStatus) as caught:
            await (far.stream(call) if call.stream else far.call(call))
    assert caught.value.status == 404
    assert msgspec.json.decode(caught.value.body)["error"]["type"] == "invalid_request_error"
    assert served.seen == []


@pytest.mark.parametrize("status", [400, 413, 422, 424, 429, 503])
async def test_an_error_keeps_its_number_and_words(status: int) -> None:
    script = answering(b'{"error":"too long","error_type":"Validation"}', status)
    error = await fail("embed_http", script, embeddings_call())
    assert isinstance(error, UpstreamStatus)
    assert error.status == status
    assert msgspec.json.decode(error.body)["error"]["message"] == "too long"


async def test_an_error_page_is_kept_as_it_is() -> None:
    error = await fail("embed_http", answering(b"<html>", 502, "text/html"), embeddings_call())
    assert isinstance(error, UpstreamStatus)
    assert error.body == b"<html>"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"[[]]", b"[[1,2]]", b"[[1,2],[3]]", b"{}", b'{"error":"x"}']
)
async def test_a_200_that_does_not_answer_is_malformed(body: bytes) -> None:
    error = await fail("embed_http", answering(body), embeddings_call())
    assert isinstance(error, UpstreamMalformed)


async def test_vectors_of_other_dimensions_than_asked_for_are_malformed() -> None:
    error = await fail("embed_http", answering(VECTORS), embeddings_call(dimensions=3))
    assert isinstance(error, UpstreamMalformed)


async def test_a_server_that_is_gone_is_unreachable() -> None:
    async with serving(answering(b"")) as served:
        gone = served
    async with upstream("embed_http", gone) as far:
        with pytest.raises(UpstreamUnreachable):
            await far.call(embeddings_call())


async def test_the_one_model_is_listed_once_the_server_has_embedded() -> None:
    async with serving(answering(b"[[1,2]]")) as served, upstream("embed_http", served) as far:
        assert list(await far.models(chat_call().deadline)) == ["real-model"]


async def test_a_server_that_does_not_embed_lists_nothing() -> None:
    async with serving(answering(b"{}")) as served, upstream("embed_http", served) as far:
        with pytest.raises(UpstreamMalformed):
            await far.models(chat_call().deadline)


async def test_a_server_that_says_nothing_times_out() -> None:
    async def script(turn: Turn) -> None:
        await turn.wait_for_client_to_leave()

    async with serving(script) as served, upstream("embed_http", served) as far:
        with pytest.raises(UpstreamTimeout):
            await far.models(0.0)


async def test_name_place_and_dialects_are_as_configured() -> None:
    async with serving(answering(b"")) as served, upstream("embed_http", served) as far:
        assert far.name == "far"
        assert far.place == Place("central", "us-east", "us")
        assert far.native == frozenset()
