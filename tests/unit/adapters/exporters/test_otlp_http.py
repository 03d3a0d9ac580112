"""The exporter against a real receiver on loopback."""

import gzip

import pytest

from tests.collector import Answer, running_collector
from tests.unit.gateway.fakes import ManualClock
from tests.unit.wire.test_otlp import RESOURCE, a_span
from tidegate.adapters.exporters.otlp_http import OtlpHttp
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.http.in_memory import InMemoryAnswer, InMemoryHttp, Sent
from tidegate.adapters.upstream_settings import EnvironmentProxies, UpstreamSettings
from tidegate.domain.trace import Delivery
from tidegate.wire.otlp import encode_spans

BODY = encode_spans([a_span()], RESOURCE)


def exporter(url: str, **headers: str) -> OtlpHttp:
    server = UpstreamSettings(
        name="traces", base_url=f"{url}/v1/traces", tier="pop", region="eu", zone="eu", proxy="none"
    )
    return OtlpHttp(HttptoolsClient(server, EnvironmentProxies()), headers, ManualClock())


async def test_a_batch_arrives_compressed_with_the_operator_s_headers() -> None:
    async with running_collector() as collector:
        sender = exporter(collector.url, authorization="Bearer x")
        assert await sender.send(BODY) == Delivery(200)
        assert await sender.send(BODY) == Delivery(200)
        await sender.close()
    [one, _] = collector.headers
    assert (one["content-encoding"], one["content-type"]) == ("gzip", "application/json")
    assert one["authorization"] == "Bearer x"
    assert [span.name for span in collector.spans] == ["chat", "chat"]


async def test_what_the_collector_says_is_told() -> None:
    partial = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"old"}}'
    async with running_collector() as collector:
        collector.answers += [
            Answer(503, {"retry-after": "7"}),
            Answer(429, {"retry-after": "soon"}),
            Answer(400),
            Answer(200, body=partial),
        ]
        sender = exporter(collector.url)
        assert await sender.send(BODY) == Delivery(503, 7.0)
        assert await sender.send(BODY) == Delivery(429)
        assert await sender.send(BODY) == Delivery(400)
        assert await sender.send(BODY) == Delivery(200, None, 1, "old")
        await sender.close()


async def test_a_collector_that_is_not_there_is_no_exception() -> None:
    async with running_collector() as collector:
        url = collector.url
    sender = exporter(url)
    gone = await sender.send(BODY)
    await sender.close()
    assert gone.status is None
    assert "no connection to 127.0.0.1" in gone.message


async def test_the_body_is_what_was_given() -> None:
    async def respond(_sent: Sent) -> InMemoryAnswer:
        return InMemoryAnswer(200, {}, (b"",))

    http = InMemoryHttp(respond)
    await OtlpHttp(http, {}, ManualClock()).send(BODY)
    [sent] = http.sent
    assert gzip.decompress(sent.body) == BODY
    assert len(sent.body) < len(BODY)


pytestmark = pytest.mark.asyncio
