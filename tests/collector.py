"""An OTLP/HTTP receiver on loopback, for tests; reads with the official protobuf types."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.waiting import until

_IDS = {"traceId", "spanId", "parentSpanId"}


@dataclass
class Answer:
    """What the receiver says to one batch."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass
class Collector:
    """A running receiver and what it was sent."""

    url: str = ""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    """Of each batch, names in lower case."""
    batches: list[ExportTraceServiceRequest] = field(default_factory=list)
    """Those that were taken."""
    answers: list[Answer] = field(default_factory=list)
    """What is said next; then everything is taken."""

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for batch in self.batches
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def traces(self, count: int) -> list[Span]:
        """Give all spans, once there are as many traces."""

        def there() -> bool:
            return len({span.trace_id for span in self.spans}) >= count

        await until(there)
        return self.spans

    async def take(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else Answer()
        if answer.status == 200:
            self.batches.append(decode(body))
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={"content-type": "application/json", **answer.headers},
        )


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    """Run a receiver for the length of a block."""
    collector = Collector()
    app = web.Application(client_max_size=20 << 20)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    try:
        await site.start()
        collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()


def decode(body: bytes) -> ExportTraceServiceRequest:
    """Read an export; raises on a field that the specification does not have."""
    # OTLP has ids in hexadecimal where protobuf's JSON has base64; all else is protobuf's.
    plain = json.loads(body, object_hook=_with_protobuf_ids)
    request = ExportTraceServiceRequest()
    json_format.ParseDict(plain, request, ignore_unknown_fields=False)
    return request


def attributes(span: Span) -> dict[str, Any]:
    """Give the attributes of a span as plain values."""
    return {pair.key: _plain(pair.value) for pair in span.attributes}


def _with_protobuf_ids(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64encode(bytes.fromhex(value)).decode() if name in _IDS else value
        for name, value in fields.items()
    }


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(part) for part in value.array_value.values]
    return None if kind is None else getattr(value, kind)
