"""Chat through each kind of upstream: what travels up, what comes back, byte for byte."""

import msgspec
import pytest

from tests.contract.servers import Served, Turn, serving
from tests.e2e.far import ANSWER, COUNTED, MODEL, RELAYED, STREAM, answers, holds
from tests.e2e.harness import Config, chat_body, forward_to, running_gateway, upstream
from tidegate.mock.server import running_mock

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PERSONAL = {"user": "u-1", "safety_identifier": "s-1", "metadata": {"team": "a"}}


def through(served: Served, *, model: str = "", kind: str = "openai", **route: object) -> Config:
    return {
        "upstreams": [upstream("central", served.url, kind=kind)],
        "routes": [
            {"models": ["*"], "upstreams": [{"name": "central", "model": model}], **route},
        ],
    }


async def messages(turn: Turn) -> None:
    """Answer in the Anthropic dialect, whole."""
    await turn.answer(
        b'{"id":"m1","type":"message","role":"assistant","model":"real-model-0101","content":'
        b'[{"type":"text","text":"Hi there"}],"stop_reason":"end_turn","usage":{"input_tokens":8,'
        b'"cache_read_input_tokens":4,"output_tokens":3}}'
    )


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_a_whole_answer_is_relayed_byte_for_byte(kind: str) -> None:
    async with serving(answers) as far, running_gateway(through(far, kind=kind)) as gateway:
        answer = await gateway.chat("Hi")
        record = await gateway.record(answer.request_id)

    assert (answer.status, answer.body) == (200, ANSWER)
    assert answer.headers["x-tidegate-source"] == "upstream"
    assert answer.headers["x-tidegate-tier"] == "central"
    assert (record.source, record.upstream, record.tier) == ("upstream", "central", "central")
    assert (record.model_asked, record.model, record.status) == ("assistant", MODEL, 200)
    assert (record.input_tokens, record.output_tokens, record.cached_input_tokens) == (12, 3, 4)
    assert not record.usage_is_estimated
    assert [one.outcome for one in record.attempts] == ["ok"]


@pytest.mark.parametrize("kind", ["openai", "tidegate"])
async def test_of_a_stream_only_the_usage_chunk_is_left_out(kind: str) -> None:
    async with serving(answers) as far, running_gateway(through(far, kind=kind)) as gateway:
        answer = await gateway.chat("Hi", stream=True)
        record = await gateway.record(answer.request_id)

    assert answer.body == RELAYED
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (record.stream, record.input_tokens, record.output_tokens) == (True, 12, 3)
    assert msgspec.json.decode(far.seen[0].body)["stream_options"] == {"include_usage": True}


async def test_who_asks_for_usage_gets_the_stream_untouched() -> None:
    async with serving(answers) as far, running_gateway(through(far)) as gateway:
        wanted = {"include_usage": True, "x_option": 1}
        answer = await gateway.chat("Hi", stream=True, stream_options=wanted)

    assert answer.body == b"".join(STREAM)
    assert COUNTED in answer.body
    assert msgspec.json.decode(far.seen[0].body)["stream_options"] == wanted


async def test_only_the_model_is_rewritten_in_the_body() -> None:
    body = b'{ "model" : "assistant", "messages":[{"role":"user","content":"h\\u00e9"}],"x":1.50 }'
    async with serving(answers) as far, running_gateway(through(far, model="real")) as gateway:
        await gateway.send("chat", body)

    sent = far.seen[0].body
    assert b'"real"' in sent
    assert b'[{"role":"user","content":"h\\u00e9"}]' in sent
    assert b"1.50" in sent


async def test_a_body_that_needs_no_change_travels_as_it_came() -> None:
    body = b'{ "model" : "assistant", "messages":[{"role":"user","content":"h\\u00e9"}],"x":1.50 }'
    async with serving(answers) as far, running_gateway(through(far)) as gateway:
        await gateway.send("chat", body)

    assert far.seen[0].body == body


async def test_what_identifies_a_person_stays_here_by_default() -> None:
    async with serving(answers) as far, running_gateway(through(far)) as gateway:
        await gateway.chat("Hi", **PERSONAL)

    assert not PERSONAL.keys() & msgspec.json.decode(far.seen[0].body).keys()
    assert "x-forwarded-for" not in far.seen[0].headers


async def test_what_identifies_a_person_goes_up_where_the_route_says_so() -> None:
    forward = ["user", "metadata", "client_address"]
    async with serving(answers) as far, running_gateway(through(far, forward=forward)) as gateway:
        await gateway.chat("Hi", **PERSONAL)

    body = msgspec.json.decode(far.seen[0].body)
    assert {name: body[name] for name in PERSONAL} == PERSONAL
    assert far.seen[0].headers["x-forwarded-for"] == "127.0.0.1"


async def test_the_upstream_gets_a_child_span_and_no_key_of_ours() -> None:
    async with serving(answers) as far, running_gateway(through(far)) as gateway:
        headers = {"traceparent": PARENT, "tracestate": "vendor=noted"}
        answer = await gateway.send("chat", chat_body(), headers=headers)
        record = await gateway.record(answer.request_id)

    sent = far.seen[0].headers["traceparent"]
    assert sent.startswith(f"00-{TRACE}-")
    assert sent.endswith("-01")
    assert sent != PARENT
    assert far.seen[0].headers["tracestate"] == "vendor=noted"
    assert record.trace_id == TRACE
    assert "authorization" not in far.seen[0].headers
    assert not any(name.startswith("x-tidegate") for name in far.seen[0].headers)


async def test_a_malformed_traceparent_is_not_passed_on() -> None:
    async with serving(answers) as far, running_gateway(through(far)) as gateway:
        broken = {"traceparent": "00-zz-00f067aa0ba902b7-01", "tracestate": "a=1"}
        assert (await gateway.send("chat", chat_body(), headers=broken)).status == 200

    assert not {"traceparent", "tracestate"} & set(far.seen[0].headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_anthropic_upstream_answers_in_the_client_s_dialect(*, stream: bool) -> None:
    async with running_mock() as mock:
        config = forward_to(mock.url)
        config["upstreams"][0]["kind"] = "anthropic"
        async with running_gateway(config) as gateway:
            answer = await gateway.chat("Hi", stream=stream, logit_bias={"1": 2})
            record = await gateway.record(answer.request_id)
        calls = mock.calls()["calls"]

    assert calls == {"/v1/messages": 1}
    assert b"mock" in answer.body
    if stream:
        assert answer.body.endswith(b"data: [DONE]\n\n")
    else:
        assert "mock upstream" in answer.text
    assert "logit_bias" in answer.headers["x-tidegate-lossy"]
    assert "logit_bias" in record.lossy
    assert record.output_tokens > 0


async def test_usage_of_an_anthropic_answer_is_counted() -> None:
    async with serving(messages) as far, running_gateway(through(far, kind="anthropic")) as gateway:
        answer = await gateway.chat("Hi")
        record = await gateway.record(answer.request_id)

    assert answer.text == "Hi there"
    assert (record.input_tokens, record.output_tokens, record.cached_input_tokens) == (12, 3, 4)


async def test_usage_of_an_answer_left_midway_is_not_taken_from_its_beginning() -> None:
    async def begins(turn: Turn) -> None:
        start = {"id": "m1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
        usage = {"input_tokens": 8, "output_tokens": 1}
        block = {"type": "text", "text": ""}
        words = {"type": "text_delta", "text": "word " * 40}
        await turn.open_stream()
        for event in (
            {"type": "message_start", "message": {**start, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": words},
        ):
            name = str(event["type"]).encode()
            await turn.chunk(b"event: %s\ndata: %s\n\n" % (name, msgspec.json.encode(event)))
        await turn.wait_for_client_to_leave()

    async with serving(begins) as far, running_gateway(through(far, kind="anthropic")) as gateway:
        async with gateway.opened("chat", chat_body(stream=True)) as response:
            await response.content.readuntil(b"word word")
            response.close()
        record = await gateway.last_record()

    assert record.abort_phase == "streaming"
    assert record.input_tokens == 8
    assert record.output_tokens >= 40
    assert record.usage_is_estimated


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tidegate_behind_a_tidegate_answers_for_the_first_one_s_tenant(
    *, stream: bool
) -> None:
    tenants = ("default", "acme")
    async with (
        serving(answers) as far,
        running_gateway(through(far, deadline_s=50), tenants=tenants) as region,
    ):
        (region.folder / "node.key").write_text(region.new_key(role="node"), encoding="ascii")
        first = upstream(
            "region",
            f"{region.base_url}/v1",
            kind="tidegate",
            tier="region",
            api_key=f"file:{region.folder / 'node.key'}",
        )
        config = {
            "upstreams": [first],
            "routes": [{"models": ["*"], "upstreams": ["region"], "deadline_s": 7}],
        }
        async with running_gateway(config, tenants=tenants) as edge:
            answer = await edge.send("chat", chat_body(stream=stream), key=edge.new_key("acme"))
            near = await edge.record(answer.request_id)
            behind = await region.last_record()

    assert answer.body == (RELAYED if stream else ANSWER)
    assert (near.tenant, behind.tenant) == ("acme", "acme")
    assert behind.client_request_id == near.request_id
    assert near.request_id != behind.request_id
    assert (near.input_tokens, near.output_tokens) == (12, 3)


async def test_the_remaining_time_travels_between_nodes_only() -> None:
    async with (
        serving(answers) as far,
        running_gateway(through(far, kind="tidegate", deadline_s=30)) as gateway,
    ):
        await gateway.send("chat", chat_body(), headers={"x-request-timeout-ms": "500"})
        node_key = gateway.new_key(role="node")
        told = {"x-request-timeout-ms": "5000"}
        await gateway.send("chat", chat_body(), key=node_key, headers=told)

    from_client, from_node = (int(one.headers["x-request-timeout-ms"]) for one in far.seen)
    assert 20_000 < from_client <= 30_000
    assert 1 <= from_node <= 5_000


async def test_a_node_s_deadline_ends_the_request() -> None:
    async with serving(holds) as far, running_gateway(through(far)) as gateway:
        told = {"x-request-timeout-ms": "400"}
        key = gateway.new_key(role="node")
        answer = await gateway.send("chat", chat_body(), key=key, headers=told)
        record = await gateway.record(answer.request_id)

    assert (answer.status, answer.code) == (504, "deadline_exceeded")
    assert (record.status, record.error) == (504, "DeadlineExceeded")
    assert [one.outcome for one in record.attempts] == ["timeout"]


async def test_a_client_cannot_act_for_another_tenant() -> None:
    async with (
        serving(answers) as far,
        running_gateway(through(far), tenants=("default", "acme")) as gateway,
    ):
        wish = {"x-tidegate-tenant": "acme"}
        answer = await gateway.send("chat", chat_body(), headers=wish)
        record = await gateway.record(answer.request_id)
        unknown = {"x-tidegate-tenant": "nobody"}
        key = gateway.new_key(role="node")
        refused = await gateway.send("chat", chat_body(), key=key, headers=unknown)

    assert record.tenant == "default"
    assert refused.status == 403


async def test_with_passthrough_the_client_s_own_credential_goes_up() -> None:
    async with serving(answers) as far:
        config = through(far)
        config["upstreams"][0]["credentials"] = "passthrough"
        async with running_gateway(config) as gateway:
            mine = {"x-tidegate-key": gateway.key, "authorization": "Bearer sk-mine"}
            await gateway.send("chat", chat_body(), headers=mine)

    assert far.seen[0].headers["authorization"] == "Bearer sk-mine"
    assert "x-tidegate-key" not in far.seen[0].headers
