"""Traces of a node: what keeps them, what sends them, and how both follow the configuration."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate import __version__
from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.exporters.otlp_http import OtlpHttp
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.upstream_settings import EnvironmentProxies
from tidegate.config.configuration import Configuration
from tidegate.config.telemetry import TraceCollector
from tidegate.domain.record import Record
from tidegate.domain.trace import KeptTrace, Resource
from tidegate.gateway.meter import Meter
from tidegate.gateway.trace_queue import Loss, TraceQueue
from tidegate.gateway.tracer import Tracer
from tidegate.node.upkeep import Upkeep
from tidegate.ports.clock import Clock
from tidegate.ports.log import Log
from tidegate.telemetry.conventions import SCHEMA_URL
from tidegate.telemetry.spans import spans
from tidegate.telemetry.tally import Known
from tidegate.wire.otlp import encode_spans

SEND_EVERY_S = 1.0


@dataclass(slots=True)
class _Way:
    """The way to one collector."""

    collector: TraceCollector
    queue: TraceQueue
    exporter: OtlpHttp
    upkeep: Upkeep
    trouble: str | None = None
    """What was logged last."""


class Traces:
    """Observes records; what it keeps goes to the collector of the configuration in force."""

    def __init__(self, clock: Clock, log: Log, meter: Meter) -> None:
        """Nothing is kept before `follow`."""
        self._clock = clock
        self._log = log
        self._ids = SystemIds()
        self._way: _Way | None = None
        self._known = Known()
        self._resource = Resource("tidegate", __version__, SCHEMA_URL, ())
        self._tracer = Tracer(clock, self._offer)
        self._former_delivered = 0
        self._former_lost: dict[Loss, int] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._publish(meter)

    def observe(self, record: Record) -> None:
        """Keep the trace of one finished request, or not."""
        self._tracer.observe(record)

    def follow(self, configuration: Configuration, known: Known) -> None:
        """Do from here on what this configuration says.

        Another collector takes over at once; the one before gets what waits for it.
        """
        tracing = configuration.tracing
        self._known = known
        self._resource = _resource(configuration)
        former = self._way
        if tracing is None:
            self._way = None
        elif former is None or former.collector != tracing.collector:
            self._way = self._begin(tracing.collector, configuration.proxies)
        self._tracer.follow(None if tracing is None else tracing.policy)
        if former is not None and former is not self._way:
            leaving = asyncio.create_task(self._leave(former))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Send what waits, within the time that the configuration allows."""
        self._tracer.follow(None)
        former, self._way = self._way, None
        if former is not None:
            await self._leave(former)
        await asyncio.gather(*self._leaving)

    def _offer(self, trace: KeptTrace) -> None:
        if self._way is not None:
            self._way.queue.offer(trace)

    def _encode(self, batch: Sequence[KeptTrace]) -> bytes:
        known = self._known
        return encode_spans(
            [span for trace in batch for span in spans(trace, known)], self._resource
        )

    def _begin(self, collector: TraceCollector, proxies: EnvironmentProxies) -> _Way:
        headers = {name: secret.reveal() for name, secret in collector.headers}
        exporter = OtlpHttp(HttptoolsClient(collector.server, proxies), headers, self._clock)
        queue = TraceQueue(self._encode, exporter.send, draw=self._ids.draw)
        way = _Way(collector, queue, exporter, Upkeep(self._log))

        async def send() -> None:
            try:
                await queue.drain()
            finally:
                self._tell(way)

        way.upkeep.every(SEND_EVERY_S, "traces", send)
        return way

    async def _leave(self, way: _Way) -> None:
        await way.upkeep.stop()
        try:
            await way.queue.close(way.collector.flush_s)
        finally:
            await way.exporter.close()
            self._former_delivered += way.queue.delivered
            for why, count in way.queue.lost.items():
                self._former_lost[why] = self._former_lost.get(why, 0) + count

    def _tell(self, way: _Way) -> None:
        """Log when the collector stops taking traces, and when it does again."""
        trouble = way.queue.trouble
        if trouble == way.trouble:
            return
        way.trouble = trouble
        if trouble is None:
            self._log.event("traces.recovered", lost=sum(way.queue.lost.values()))
        else:
            self._log.event("traces.failing", error=trouble, waiting=len(way.queue))

    def _publish(self, meter: Meter) -> None:
        meter.counters(
            "tidegate_traces_kept",
            "Traces that were kept, by why.",
            "why",
            lambda: [((why,), count) for why, count in self._tracer.kept.items()],
        )
        meter.counter(
            "tidegate_traces_delivered", "Traces that the collector took.", self._delivered
        )
        meter.counters(
            "tidegate_traces_lost",
            "Traces (`rejected`: spans) that were worth keeping and did not arrive, by why.",
            "why",
            lambda: [((why,), count) for why, count in self._lost().items()],
        )

    def _delivered(self) -> int:
        return self._former_delivered + (self._way.queue.delivered if self._way else 0)

    def _lost(self) -> Mapping[str, int]:
        now = self._way.queue.lost if self._way else {}
        whys = {*self._former_lost, *now}
        lost: dict[str, int] = {
            why: self._former_lost.get(why, 0) + now.get(why, 0) for why in sorted(whys)
        }
        return {"over_limit": self._tracer.over_limit} | lost


def _resource(configuration: Configuration) -> Resource:
    place = configuration.place
    return Resource(
        scope="tidegate",
        version=__version__,
        schema_url=SCHEMA_URL,
        attributes=(
            ("service.name", "tidegate"),
            ("service.version", __version__),
            ("service.instance.id", configuration.name),
            ("cloud.region", place.region),
            ("tidegate.node.tier", place.tier),
            ("tidegate.node.zone", place.zone),
        ),
    )
