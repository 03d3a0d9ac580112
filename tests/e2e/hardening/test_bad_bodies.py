import asyncio
import gzip
import http.client
import json
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest
import pytest_asyncio

from tests.contract.servers import Served, serving
from tests.e2e.far import answers
from tests.e2e.hardening.conftest import BODY_LIMIT
from tests.e2e.harness import Gateway, chat_body, forward_to, running_gateway
from tests.unit.api.raw import connection, exchange, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE = "x" * 300_000
"""Makes a body too large to be searched for duplicate keys."""


def spelled(fields: str, *, model: str = '"assistant"') -> bytes:
    """Spell a chat request with raw JSON between its fields."""
    messages = '[{"role":"user","content":"Hi"}]'
    return f'{{"model":{model},"messages":{messages}{fields}}}'.encode("utf-8", "surrogatepass")


NOT_TAKEN: Mapping[str, bytes] = {
    "empty": b"",
    "blank": b"  ",
    "not JSON": b"model=assistant",
    "cut": spelled("")[:-1],
    "two values": spelled("") + b"{}",
    "trailing comma": spelled(","),
    "a comment": spelled("/* hi */"),
    "single quotes": b"{'model':'assistant'}",
    "a list": b"[]",
    "a text": b'"hi"',
    "null": b"null",
    "a byte order mark": b"\xef\xbb\xbf" + spelled(""),
    "UTF-16": spelled("").decode().encode("utf-16"),
    "broken UTF-8": spelled(',"user":"').replace(b'"}', b'\xff"}'),
    "a surrogate in bytes": spelled(',"user":"\ud800"'),
    "an escaped lone surrogate": spelled(',"user":"\\ud800"'),
    "a surrogate pair the wrong way round": spelled(',"user":"\\udc00\\ud800"'),
    "a lone surrogate as key": spelled(',"\\ud800":1'),
    "1e400": spelled(',"temperature":1e400'),
    "1e400 in an unknown field": spelled(',"x":[1e400]'),
    "NaN": spelled(',"x":NaN'),
    "Infinity": spelled(',"x":-Infinity'),
    "leading zero": spelled(',"x":01'),
    "a control character": spelled(',"x":"\x01"'),
    "a depth bomb": spelled(',"x":' + "[" * 50_000 + "]" * 50_000),
    "a depth bomb of objects": spelled(',"x":' + '{"a":' * 5_000 + "1" + "}" * 5_000),
    "an unclosed depth bomb": b"[" * 100_000,
    "one level too deep": spelled(',"x":' + "[" * 64 + "]" * 64),
    "a duplicate key": spelled(',"model":"gpt-6-luna"'),
    "a duplicate key, escaped": spelled(',"\\u006dodel":"gpt-6-luna"'),
    "a duplicate key far below": spelled(',"x":[{"y":{"a":1,"a":1}}]'),
}

WRONG_TYPES: Mapping[str, tuple[bytes, str]] = {
    "no model": (b'{"messages":[{"role":"user","content":"Hi"}]}', "model"),
    "a number as model": (spelled("", model="5"), "model"),
    "an empty model": (spelled("", model='""'), "model"),
    "an endless model": (spelled("", model=f'"{LARGE}"'), "model"),
    "no messages": (b'{"model":"assistant"}', "messages"),
    "empty messages": (b'{"model":"assistant","messages":[]}', "messages"),
    "messages as text": (b'{"model":"assistant","messages":"Hi"}', "messages"),
    "a message without role": (
        b'{"model":"assistant","messages":[{"content":"Hi"}]}',
        "messages[0].role",
    ),
    "content as a number": (
        b'{"model":"assistant","messages":[{"role":"user","content":5}]}',
        "messages[0].content",
    ),
    "stream as text": (spelled(',"stream":"yes"'), "stream"),
    "a temperature too high": (spelled(',"temperature":3'), "temperature"),
    "n too high": (spelled(',"n":129'), "n"),
    "n as a huge number": (spelled(',"n":' + "9" * 400), "n"),
    "tokens below zero": (spelled(',"max_tokens":-1'), "max_tokens"),
    "tools as an object": (spelled(',"tools":{}'), "tools"),
    "stream options as text": (spelled(',"stream_options":"usage"'), "stream_options"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen() -> AsyncIterator[tuple[Gateway, Served]]:
    """A node before an upstream that notes what it gets."""
    async with (
        serving(answers) as upstream,
        running_gateway(forward_to(upstream.url, name="all", models=["*"])) as gateway,
    ):
        yield gateway, upstream


async def test_what_is_not_one_json_object_is_400(
    gateway: Gateway, subtests: pytest.Subtests
) -> None:
    for name, body in NOT_TAKEN.items():
        with subtests.test(name):
            answer = await gateway.send("chat", body)
            assert answer.status == 400
            assert answer.json()["error"]["type"] == "invalid_request_error"
            assert answer.request_id


async def test_a_wrong_field_is_400_and_named(gateway: Gateway, subtests: pytest.Subtests) -> None:
    for name, (body, param) in WRONG_TYPES.items():
        with subtests.test(name):
            answer = await gateway.send("chat", body)
            assert (answer.status, answer.param) == (400, param)


@pytest.mark.parametrize(
    ("surface", "body", "param"),
    [
        ("embeddings", {"model": "text-embedding-3-small"}, "input"),
        ("embeddings", {"model": "text-embedding-3-small", "input": []}, "input"),
        ("embeddings", {"model": "text-embedding-3-small", "input": ""}, "input"),
        ("embeddings", {"model": "text-embedding-3-small", "input": ["a", ""]}, "input[1]"),
        ("embeddings", {"model": "text-embedding-3-small", "input": ["a", 1]}, "input"),
        ("embeddings", {"model": "text-embedding-3-small", "input": [1, 2]}, "input"),
        ("embeddings", {"model": "text-embedding-3-small", "input": ["a"] * 2049}, "input"),
        (
            "embeddings",
            {"model": "text-embedding-3-small", "input": "a", "dimensions": 7},
            "dimensions",
        ),
        (
            "embeddings",
            {"model": "text-embedding-3-small", "input": "a", "encoding_format": "hex"},
            "encoding_format",
        ),
        ("decisions", {"model": "gpt-6-luna", "input": "x", "questions": []}, "questions"),
        (
            "decisions",
            {"model": "gpt-6-luna", "input": "x", "questions": [{"type": "odd"}]},
            "questions[0].type",
        ),
    ],
)
async def test_other_surfaces_name_the_wrong_field_too(
    gateway: Gateway, surface: str, body: dict[str, object], param: str
) -> None:
    answer = await gateway.send(surface, body)
    assert (answer.status, answer.param) == (400, param)


async def test_an_error_quotes_nothing_of_the_request(gateway: Gateway) -> None:
    for body in (
        spelled(',"temperature":"my-secret"'),
        spelled(',"user":"my-secret'),
        b"my-secret",
    ):
        assert b"my-secret" not in (await gateway.send("chat", body)).body


async def test_what_cannot_be_taken_leaves_no_record(gateway: Gateway) -> None:
    before = len(gateway.log.records)
    answer = await gateway.send("chat", b"{}")
    assert len(gateway.log.records) == before
    refused = [fields for name, fields in gateway.log.events if name == "request.refused"]
    assert refused[-1] == {
        "request_id": answer.request_id,
        "status": 400,
        "error": "InvalidRequest",
    }


async def test_a_body_over_the_limit_is_413_before_it_is_sent(gateway: Gateway) -> None:
    head = request(
        "/v1/chat/completions", b"", f"authorization: Bearer {gateway.key}", method="POST"
    ).replace(b"content-length: 0", b"content-length: 1000000000")
    async with connection(gateway.node.port) as raw:
        await raw.send(head)
        answer = await raw.answer()
        assert answer.status == 413
        assert json.loads(answer.body)["error"]["code"] == "request_too_large"


async def test_a_client_that_sends_all_before_it_reads_still_gets_the_413(gateway: Gateway) -> None:
    def sent() -> tuple[int, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", gateway.node.port, timeout=20)
        headers = {"authorization": f"Bearer {gateway.key}", "connection": "close"}
        link.request("POST", "/v1/embeddings", b" " * (BODY_LIMIT + 8_000_000), headers)
        with link.getresponse() as answer:
            return answer.status, answer.read()

    status, body = await asyncio.to_thread(sent)

    assert status == 413
    assert json.loads(body)["error"]["code"] == "request_too_large"


async def test_a_chunked_body_over_the_limit_is_413_before_its_end(gateway: Gateway) -> None:
    head = request(
        "/v1/chat/completions",
        None,
        f"authorization: Bearer {gateway.key}",
        "transfer-encoding: chunked",
        method="POST",
    )
    async with connection(gateway.node.port) as raw:
        await raw.send(head)
        piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        for _ in range(BODY_LIMIT // 65_536 + 1):
            await raw.send(piece)
        assert (await raw.answer()).status == 413


async def test_a_chunked_body_within_the_limit_is_taken(gateway: Gateway) -> None:
    body = msgspec.json.encode(chat_body())
    head = request(
        "/v1/chat/completions",
        None,
        f"authorization: Bearer {gateway.key}",
        "transfer-encoding: chunked",
        method="POST",
    )
    pieces = [b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body]
    answer = await exchange(gateway.node.port, head, *pieces, b"0\r\n\r\n")
    assert answer.status == 200


async def test_a_compressed_body_is_refused_with_the_remedy(gateway: Gateway) -> None:
    body = gzip.compress(msgspec.json.encode(chat_body()))
    answer = await gateway.send("chat", body, headers={"content-encoding": "gzip"})
    assert (answer.status, answer.code) == (400, "unsupported_encoding")


async def test_an_unknown_model_is_404_with_the_nearest_names(gateway: Gateway) -> None:
    answer = await gateway.send("chat", {**chat_body(), "model": "gpt-6-lunar"})
    assert (answer.status, answer.code) == (404, "model_not_found")
    assert "`gpt-6-luna`" in answer.json()["error"]["message"]


async def test_a_small_body_with_unknown_fields_is_relayed_as_it_came(
    seen: tuple[Gateway, Served],
) -> None:
    gateway, upstream = seen
    body = spelled(' , "x-vendor" : {"a" : [1.0, 1e2, "\\u00e9"]} ', model='"real"')
    assert (await gateway.send("chat", body)).status == 200
    assert upstream.seen[-1].body == body


async def test_a_large_body_is_encoded_anew_so_that_no_duplicate_key_passes(
    seen: tuple[Gateway, Served],
) -> None:
    gateway, upstream = seen
    hidden = f',"pad":"{LARGE}","x":{{"a":1, "a":2}},"temperature":0,"temperature":1'
    assert (await gateway.send("chat", spelled(hidden))).status == 200
    relayed = upstream.seen[-1].body

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    fields = json.loads(relayed, object_pairs_hook=unique)
    assert (fields["x"], fields["temperature"]) == ({"a": 2}, 1)


async def test_a_duplicate_key_never_reaches_an_upstream(seen: tuple[Gateway, Served]) -> None:
    gateway, upstream = seen
    before = len(upstream.seen)
    assert (await gateway.send("chat", spelled(',"user":"a","user":"b"'))).status == 400
    assert len(upstream.seen) == before
