"""Embeddings made here and elsewhere: forms, order, what was cut, what is refused."""

import asyncio
import base64
import math
from collections.abc import AsyncIterator
from struct import unpack

import pytest
import pytest_asyncio

from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tidegate.mock.server import running_mock

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOCAL = "tidegate/all-minilm-l6-v2"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with running_mock() as mock:
        config = {
            "upstreams": [upstream("central", mock.url)],
            "routes": [
                {"models": ["text-embedding-3-small"], "local": "encoder", "cache": "off"},
                {"models": ["far"], "upstreams": ["central"]},
            ],
        }
        async with running_gateway(config) as running:
            yield running


def embed(given: object, model: str = "text-embedding-3-small", **fields: object) -> Config:
    return {"model": model, "input": given, **fields}


async def test_floats_and_base64_are_the_same_numbers(gateway: Gateway) -> None:
    plain = (await gateway.send("embeddings", embed("A cat sleeps."))).json()["data"][0]
    packed = await gateway.send("embeddings", embed("A cat sleeps.", encoding_format="base64"))
    raw = base64.b64decode(packed.json()["data"][0]["embedding"])

    assert len(plain["embedding"]) == 384
    assert list(unpack("<384f", raw)) == pytest.approx(plain["embedding"], abs=1e-7)
    assert math.fsum(x * x for x in plain["embedding"]) == pytest.approx(1, abs=1e-3)


async def test_a_batch_comes_back_in_order_and_as_if_each_were_alone(gateway: Gateway) -> None:
    texts = ["A cat sleeps.", "Refund my order", "x", "Where is my parcel?" * 5]
    batch = await gateway.send("embeddings", embed(texts))
    rows = batch.json()["data"]
    alone = [
        (await gateway.send("embeddings", embed(text))).json()["data"][0]["embedding"]
        for text in texts
    ]

    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert [row["embedding"] for row in rows] == alone


async def test_the_record_says_that_it_was_answered_here(gateway: Gateway) -> None:
    got = await gateway.send("embeddings", embed(["one", "two words"]))
    record = await gateway.record(got.request_id)

    usage = got.json()["usage"]
    assert got.headers["x-tidegate-source"] == "local"
    assert (record.source, record.tier, record.task) == ("local", "pop", "embed")
    assert record.input_tokens == usage["prompt_tokens"] == usage["total_tokens"] > 0
    assert record.cost_micro_usd == 0
    assert record.phases.local_s is not None
    assert not record.usage_is_estimated


async def test_what_was_cut_is_said(gateway: Gateway) -> None:
    got = await gateway.send("embeddings", embed(["short", "long " * 2000, "short"]))

    assert got.json()["truncated"] == [1]


async def test_a_long_text_is_read_in_windows_which_are_counted(gateway: Gateway) -> None:
    got = await gateway.send("embeddings", embed(["short", "long " * 400]))
    record = await gateway.record(got.request_id)

    assert (got.json()["truncated"], got.json()["windows"]) == ([], 3)
    assert (record.windows, record.truncated) == (3, None)


async def test_repeated_inputs_are_encoded_once(gateway: Gateway) -> None:
    got = await gateway.send("embeddings", embed(["twice", "once", "twice"]))
    record = await gateway.record(got.request_id)

    first, second, third = [row["embedding"] for row in got.json()["data"]]
    assert first == third != second
    assert record.windows == 2


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "😀" * 200_000, "של" * 1000, "\u202eשל", "a\x00b"]
)
async def test_unusual_texts_get_a_vector(gateway: Gateway, text: str) -> None:
    got = await gateway.send("embeddings", embed(text))

    assert got.status == 200
    assert math.fsum(x * x for x in got.json()["data"][0]["embedding"]) == pytest.approx(
        1, abs=0.01
    )


@pytest.mark.parametrize("blank", [" \n\t", "\u202e" * 300, "\x00"])
async def test_a_blank_text_is_refused_by_its_place(gateway: Gateway, blank: str) -> None:
    alone = await gateway.send("embeddings", embed(blank))
    among = await gateway.send("embeddings", embed(["a", blank]))

    assert (alone.status, alone.param) == (400, "input")
    assert (among.status, among.param) == (400, "input[1]")
    assert "blank" in among.json()["error"]["message"]


async def test_ten_thousand_inputs_are_refused_with_the_limit(gateway: Gateway) -> None:
    got = await gateway.send("embeddings", embed(["x"] * 10_000))

    assert (got.status, got.param) == (400, "input")
    assert "2048" in got.json()["error"]["message"]


async def test_a_lone_surrogate_is_refused(gateway: Gateway) -> None:
    body = b'{"model":"text-embedding-3-small","input":"a\\ud800b"}'
    got = await gateway.send("embeddings", body)

    assert got.status == 400
    assert "lone surrogate" in got.json()["error"]["message"]


async def test_metrics_show_the_queue_and_how_late_the_loop_is(gateway: Gateway) -> None:
    await gateway.send("embeddings", embed("x"))
    text = (await gateway.admin("/metrics")).body.decode()

    assert 'tidegate_event_loop_lag_seconds_bucket{le="0.005"}' in text
    assert "tidegate_encoder_pending 0.0" in text


async def test_readiness_tells_how_far_golden_vectors_are_off(gateway: Gateway) -> None:
    parts = (await gateway.send("/readyz")).json()["parts"]

    assert parts["encoder"].startswith("ok, golden vectors off by ")


@pytest.mark.parametrize("dimensions", [400, 1, 256])
async def test_other_dimensions_are_refused(gateway: Gateway, dimensions: int) -> None:
    got = await gateway.send("embeddings", embed("x", dimensions=dimensions))

    assert (got.status, got.param) == (400, "dimensions")


async def test_its_own_dimensions_may_be_named(gateway: Gateway) -> None:
    assert (await gateway.send("embeddings", embed("x", dimensions=384))).status == 200


async def test_token_ids_of_other_tokenizers_are_refused(gateway: Gateway) -> None:
    got = await gateway.send("embeddings", embed([[1, 2], [3]]))

    assert (got.status, got.param) == (400, "input")
    assert "Send the texts" in got.json()["error"]["message"]


async def test_embeddings_are_repeated_by_default_in_the_form_asked_for(gateway: Gateway) -> None:
    first = await gateway.send("embeddings", embed("again", LOCAL))
    second = await gateway.send("embeddings", embed("again", LOCAL))
    packed = await gateway.send("embeddings", embed("again", LOCAL, encoding_format="base64"))

    assert first.headers["x-tidegate-source"] == "local"
    assert second.headers["x-tidegate-source"] == "cache"
    assert second.body == first.body
    assert packed.headers["x-tidegate-source"] == "local"


async def test_an_upstream_s_embeddings_are_relayed_and_repeated(gateway: Gateway) -> None:
    first = await gateway.send("embeddings", embed(["a", "b"], "far"))
    second = await gateway.send("embeddings", embed(["a", "b"], "far"))
    record = await gateway.record(first.request_id)

    assert len(first.json()["data"]) == 2
    assert (record.source, record.upstream) == ("upstream", "central")
    assert second.headers["x-tidegate-source"] == "cache"


async def test_a_surface_that_the_route_cannot_serve_is_refused(gateway: Gateway) -> None:
    body = {"model": LOCAL, "messages": [{"role": "user", "content": "Hi"}]}
    got = await gateway.send("chat", body)

    assert (got.status, got.code) == (403, "no_tier_allowed")


async def test_a_full_queue_is_told_and_hurts_nobody_else() -> None:
    config = {"encoder": {"threads": 1, "queue": 1}, "limits": {"inputs": 10}}
    async with running_gateway(config) as gateway:
        sent = [gateway.send("embeddings", embed(f"text {i}" * 50, LOCAL)) for i in range(30)]
        got = await asyncio.gather(*sent)

        refused = [one for one in got if one.status == 503]
        assert {one.status for one in got} == {200, 503}
        assert all(one.code == "overloaded" for one in refused)
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
        assert (await gateway.send("embeddings", embed("after", LOCAL))).status == 200
