"""Makes the sinks of records that the configuration names, and keeps them at work."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.exporters.record_sink import Deliver, RecordSink, by_http
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.config.configuration import Configuration
from tidegate.config.sinks import ConfiguredSink
from tidegate.gateway.meter import Meter
from tidegate.node.upkeep import Upkeep
from tidegate.ports.clock import Clock
from tidegate.ports.log import Log


def make_sinks(
    stack: AsyncExitStack, configuration: Configuration, clock: Clock, log: Log
) -> tuple[RecordSink, ...]:
    """Make them; the last records are handed over when the stack unwinds."""
    draw = SystemIds().draw
    made: list[RecordSink] = []
    for one in configuration.sinks:
        deliver = _delivery(stack, one, configuration, log)
        sink = RecordSink(one.name, deliver, clock, draw, queue=one.queue, batch=one.batch)
        stack.push_async_callback(sink.close)
        made.append(sink)
    return tuple(made)


def start_sinks(
    upkeep: Upkeep, configuration: Configuration, sinks: tuple[RecordSink, ...]
) -> None:
    """Have each hand over what waits, again and again; `upkeep` ends it."""
    pauses = {one.name: one.flush_s for one in configuration.sinks}
    for sink in sinks:
        upkeep.every(pauses[sink.name], f"sink {sink.name}", sink.flush)


def publish_sinks(meter: Meter, sinks: tuple[RecordSink, ...]) -> None:
    """Publish how they stand."""
    if not sinks:
        return
    meter.counters(
        "tidegate_sink_records",
        "Records that a sink has taken.",
        "sink",
        lambda: [((sink.name,), float(sink.health().sent)) for sink in sinks],
    )
    meter.counters(
        "tidegate_sink_lost",
        "Records that a sink has not taken and will not get.",
        "sink",
        lambda: [((sink.name,), float(sink.health().lost)) for sink in sinks],
    )
    meter.gauge(
        "tidegate_sink_pending",
        "Records that wait for a sink.",
        lambda: float(sum(sink.health().pending for sink in sinks)),
    )


def _delivery(
    stack: AsyncExitStack, sink: ConfiguredSink, configuration: Configuration, log: Log
) -> Deliver:
    if sink.url is None:

        async def write(lines: bytes) -> None:
            log.lines(lines)

        return write
    place = configuration.place
    settings = UpstreamSettings(
        name=sink.name,
        base_url=sink.url,
        tier=place.tier,
        region=place.region,
        zone=sink.zone,
        ca_file=sink.ca_file,
    )
    http = HttptoolsClient(settings, configuration.proxies)
    stack.push_async_callback(http.close)
    headers = {name: secret.reveal() for name, secret in sink.headers.items()}
    return by_http(http, sink.name, "" if urlsplit(sink.url).path else "/", headers)
