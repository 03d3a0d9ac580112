"""Traces of a real node, as a receiver on loopback reads them."""

from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector import Answer, Collector, attributes, running_collector
from tests.contract.servers import Turn, serving
from tests.e2e.far import answers
from tests.e2e.harness import Config, chat_body, forward_to, running_gateway, upstream
from tests.e2e.waiting import until
from tidegate.mock.server import running_mock

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def traced(config: Config, collector: Collector, **traces: object) -> Config:
    """Send the traces of a node to a receiver; every one unless stated otherwise."""
    settings = {"endpoint": collector.url, "zone": "eu", "share": 1.0, "proxy": "none", **traces}
    return {**config, "telemetry": {"traces": settings}}


def by_kind(spans: list[Span], kind: int) -> list[Span]:
    return [span for span in spans if span.kind == kind]


async def test_a_request_is_one_trace_with_the_spans_that_its_upstreams_saw() -> None:
    async def fail(turn: Turn) -> None:
        await turn.answer(b"{}", status=503)

    async with running_collector() as collector, serving(fail) as near, serving(answers) as far:
        config = {
            "upstreams": [upstream("near", near.url), upstream("far", far.url)],
            "routes": [{"models": ["assistant"], "upstreams": ["near", "far"]}],
        }
        async with running_gateway(traced(config, collector)) as gateway:
            got = await gateway.chat("a secret text")
    spans = collector.spans
    [root] = by_kind(spans, Span.SPAN_KIND_SERVER)
    calls = by_kind(spans, Span.SPAN_KIND_CLIENT)
    assert root.trace_id.hex() == got.request_id
    assert [call.parent_span_id for call in calls] == [root.span_id, root.span_id]
    seen = [served.seen[0].headers["traceparent"] for served in (near, far)]
    assert seen == [f"00-{got.request_id}-{call.span_id.hex()}-01" for call in calls]
    assert [attributes(call)["tidegate.upstream"] for call in calls] == ["near", "far"]
    assert attributes(calls[0])["error.type"] == "error_status"
    assert root.start_time_unix_nano <= calls[0].start_time_unix_nano
    assert calls[1].end_time_unix_nano <= root.end_time_unix_nano
    [resource] = collector.batches[0].resource_spans
    told = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert told["service.name"] == "tidegate"
    assert (told["service.instance.id"], told["cloud.region"]) == ("edge", "eu-west")
    assert all(b"secret text" not in batch.SerializeToString() for batch in collector.batches)


async def test_a_caller_s_context_decides_and_is_continued() -> None:
    async with running_collector() as collector, running_mock() as mock:
        config = traced(forward_to(mock.url), collector, share=1.0)
        async with running_gateway(config) as gateway:
            for flags in ("00", "01"):
                headers = {"traceparent": f"{PARENT}-{flags}"}
                await gateway.send("chat", chat_body(), headers=headers)
            record = await gateway.last_record(2)
    [root] = by_kind(collector.spans, Span.SPAN_KIND_SERVER)
    assert root.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert root.parent_span_id.hex() == "b7ad6b7169203331"
    assert attributes(root)["tidegate.kept"] == "caller"
    assert record.parent_span_id == "b7ad6b7169203331"


async def test_errors_are_kept_though_the_share_is_nothing() -> None:
    async def fail(turn: Turn) -> None:
        await turn.answer(b"{}", status=500)

    async with running_collector() as collector, serving(fail) as far:
        config = traced(forward_to(far.url), collector, share=0.0)
        async with running_gateway(config) as gateway:
            got = await gateway.chat()
    assert got.status == 502
    [root] = by_kind(collector.spans, Span.SPAN_KIND_SERVER)
    assert (root.status.code, attributes(root)["tidegate.kept"]) == (2, "error")


async def test_traces_are_sent_while_the_node_runs() -> None:
    async with (
        running_collector() as collector,
        running_mock() as mock,
        running_gateway(traced(forward_to(mock.url), collector, flush_s=0)) as gateway,
    ):
        for _ in range(3):
            await gateway.chat()
        await collector.traces(3)
        text = (await gateway.admin("/metrics")).body.decode()
    assert 'tidegate_traces_kept_total{why="share"} 3.0' in text


async def test_a_collector_that_is_gone_costs_traces_and_nothing_else() -> None:
    async with running_collector() as collector, running_mock() as mock:
        config = traced(forward_to(mock.url), collector, flush_s=0)
        collector.answers += [Answer(401)]
        async with running_gateway(config) as gateway:
            assert (await gateway.chat()).status == 200
            await until(lambda: "traces.failing" in dict(gateway.log.events))
            text = (await gateway.admin("/metrics")).body.decode()
    assert 'tidegate_traces_lost_total{why="refused"} 1.0' in text
    assert 'tidegate_traces_kept_total{why="share"} 1.0' in text


async def test_a_reload_takes_another_collector_and_policy() -> None:
    async with (
        running_collector() as one,
        running_collector() as two,
        running_mock() as mock,
        running_gateway(traced(forward_to(mock.url), one)) as gateway,
    ):
        await gateway.chat()
        assert (await gateway.reload(traced(forward_to(mock.url), two))).status == 200
        await gateway.chat()
        assert (await gateway.reload(forward_to(mock.url))).status == 200
        await gateway.chat()
        await gateway.last_record(3)
        await two.traces(1)
    assert len({span.trace_id for span in [*one.spans, *two.spans]}) == 2


async def test_a_collector_in_another_zone_is_refused_at_load() -> None:
    async with running_mock() as mock, running_gateway(forward_to(mock.url)) as gateway:
        wrong: dict[str, Any] = {"traces": {"endpoint": "https://otel.example", "zone": "us"}}
        answer = await gateway.reload({**forward_to(mock.url), "telemetry": wrong})
    assert answer.status == 422
    assert "traces tell about requests" in answer.body.decode()
