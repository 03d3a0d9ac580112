"""Ollama through `kind: openai`, as the docs say: answers in the shapes that it gives at `/v1`."""

import time
from pathlib import Path

import msgspec

from tests.contract.servers import Turn, serving
from tests.contract.upstreams import chat_call, collect, upstream
from tests.e2e.harness import forward_to, running_gateway
from tidegate.config.load import check_text

MODEL = "llama3.2:latest"
CHAT = (
    b'{"id":"chatcmpl-431","object":"chat.completion","created":1740569824,"model":"llama3.2:latest",'
    b'"system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{"role":"assistant","content":'
    b'"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":17,'
    b'"total_tokens":47}}\n'
)
CHUNK = (
    b'data: {"id":"chatcmpl-431","object":"chat.completion.chunk","created":1740569824,'
    b'"model":"llama3.2:latest","system_fingerprint":"fp_ollama","choices":[%s]%s}\n\n'
)
STREAM = (
    CHUNK % (b'{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}', b""),
    CHUNK % (b'{"index":0,"delta":{"role":"assistant","content":"lo"},"finish_reason":null}', b""),
    CHUNK % (b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}', b""),
    CHUNK % (b"", b',"usage":{"prompt_tokens":30,"completion_tokens":17,"total_tokens":47}'),
    b"data: [DONE]\n\n",
)
EMBEDDINGS = (
    b'{"object":"list","data":[{"object":"embedding","embedding":[0.1,-0.2],"index":0}],'
    b'"model":"nomic-embed-text:latest","usage":{"prompt_tokens":2,"total_tokens":2}}'
)
MODELS = (
    b'{"object":"list","data":[{"id":"llama3.2:latest","object":"model","created":1727000000,'
    b'"owned_by":"library"},{"id":"nomic-embed-text:latest","object":"model","created":1727000001,'
    b'"owned_by":"library"}]}\n'
)


async def ollama(turn: Turn) -> None:
    """Answer as Ollama does."""
    if turn.seen.target == "/v1/models":
        await turn.answer(MODELS)
    elif turn.seen.target == "/v1/embeddings":
        await turn.answer(EMBEDDINGS)
    elif msgspec.json.decode(turn.seen.body).get("stream"):
        await turn.stream(*STREAM)
    else:
        await turn.answer(CHAT)


async def test_chat_whole_and_streamed_with_its_usage() -> None:
    async with serving(ollama) as served, upstream("openai", served) as far:
        answer = await far.call(chat_call())
        stream, raw = await collect(far, chat_call(stream=True))
    assert (answer.body, answer.model) == (CHAT, MODEL)
    assert raw == b"".join(STREAM)
    for usage in (answer.usage, stream.usage):
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (30, 17)


async def test_its_models_are_listed_with_their_tags() -> None:
    async with serving(ollama) as served, upstream("openai", served) as far:
        names = await far.models(time.monotonic() + 5)
    assert list(names) == [MODEL, "nomic-embed-text:latest"]


async def test_embeddings_and_keep_alive_go_up_as_they_are() -> None:
    async with serving(ollama) as far, running_gateway(forward_to(far.url)) as gateway:
        body = {"model": "nomic-embed-text:latest", "input": "Hi", "keep_alive": "24h"}
        got = await gateway.send("embeddings", body)
        record = await gateway.record(got.request_id)
    assert (got.status, got.body) == (200, EMBEDDINGS)
    assert msgspec.json.decode(far.seen[0].body)["keep_alive"] == "24h"
    assert (record.input_tokens, record.usage_is_estimated) == (2, False)


def test_who_looks_for_its_name_is_told_its_dialect() -> None:
    entry = {"name": "o", "kind": "ollama", "base_url": "http://127.0.0.1:11434"}
    place = {"tier": "device", "region": "local", "zone": "local"}
    config = msgspec.json.encode({"upstreams": [{**entry, **place}]})
    problems = check_text(config, "f", {}, folder=Path()).problems
    assert any(
        "`kind: openai`, `base_url: http://HOST:11434/v1`" in one.message for one in problems
    )
