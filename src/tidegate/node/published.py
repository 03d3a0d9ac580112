"""What of a node is published beside its requests, and the names that labels may show."""

from tidegate import __version__
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.memory_cache import MemoryCache
from tidegate.config.configuration import Configuration
from tidegate.gateway.generation import Generations
from tidegate.gateway.meter import Meter
from tidegate.node.loop_lag import BOUNDS, LoopLag
from tidegate.routing.table import ANY_MODEL
from tidegate.telemetry.tally import Known


def known_names(configuration: Configuration) -> Known:
    """Give the names that a configuration brings; any other is counted as one."""
    asked = {name for route in configuration.routes for name in route.models}
    targets = {target.model for route in configuration.routes for target in route.targets}
    return Known(
        models=frozenset((asked | targets) - {ANY_MODEL, ""}),
        providers={
            upstream.settings.name: upstream.adapter.rpartition(".")[2]
            for upstream in configuration.upstreams
        },
    )


def publish(
    meter: Meter,
    configuration: Configuration,
    generations: Generations,
    journal: JournalFile,
    cache: MemoryCache,
) -> None:
    """Publish the values that are read at each scrape."""
    place = configuration.place
    meter.info(
        "tidegate_node_info",
        "What this node is and where it stands.",
        version=__version__,
        node=configuration.name,
        tier=place.tier,
        region=place.region,
        zone=place.zone,
    )
    meter.gauge("tidegate_in_flight", "Requests under way.", generations.in_flight)
    meter.gauge(
        "tidegate_generation",
        "Configuration in force.",
        lambda: generations.current.number,
        together="max",
    )
    meter.gauge("tidegate_cache_bytes", "Memory of cached answers.", lambda: cache.size_bytes)
    meter.gauge(
        "tidegate_journal_pending",
        "Records that wait for the disk.",
        lambda: journal.health().pending,
    )
    meter.counter(
        "tidegate_journal_lost", "Records that were dropped.", lambda: journal.health().lost
    )


def publish_loop_lag(meter: Meter) -> LoopLag:
    """Publish how late the event loop is; the caller starts and stops the measuring."""
    return LoopLag(
        meter.histogram(
            "tidegate_event_loop_lag_seconds",
            "How much later than asked the event loop woke up, fifty times a second.",
            BOUNDS,
        )
    )


def publish_encoder(meter: Meter, encoder: OnnxEncoder) -> None:
    """Publish how much the encoder has to do."""
    meter.gauge(
        "tidegate_encoder_pending",
        "Texts that wait for the encoder or are being encoded.",
        lambda: encoder.pending,
    )
