"""What lives as long as a process that serves requests, opened in order and closed in reverse."""

from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass

from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.adapters.engines.static_embeddings import StaticEmbeddings
from tidegate.adapters.exporters.record_sink import RecordSink
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.adapters.stores.sqlite_bindings import SqliteBindings
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.adapters.tls_files import ServerTls
from tidegate.config.configuration import Configuration
from tidegate.gateway.meter import Meter
from tidegate.node.encoders import make_encoder
from tidegate.node.learning import LearningParts, make_learning
from tidegate.node.published import known_names
from tidegate.node.sinks import make_sinks
from tidegate.node.static_training import open_static
from tidegate.node.tracing import Traces
from tidegate.ports.log import Log


@dataclass(frozen=True, slots=True)
class Parts:
    """What generations come and go on."""

    clock: SystemClock
    paths: StatePaths
    journal: JournalFile
    encoder: OnnxEncoder
    static: StaticEmbeddings
    keys: KeyFile
    bindings: SqliteBindings
    metrics: Meter
    log: Log
    learning: LearningParts
    sinks: tuple[RecordSink, ...]
    tls: ServerTls | None
    """Of the data listener."""
    traces: Traces

    def follow(self, configuration: Configuration) -> None:
        """Tell those who watch requests which configuration is in force."""
        known = known_names(configuration)
        self.metrics.know(known)
        self.traces.follow(configuration, known)


def open_parts(
    stack: AsyncExitStack, configuration: Configuration, paths: StatePaths, log: Log, worker: int
) -> Parts:
    """Open everything; the journal is that of this `worker`, 0 in a node of one process."""
    files = configuration.client_side.tls
    tls = None if files is None else ServerTls(files)
    journal = JournalFile(paths.journal, name=f"worker-{worker}")
    journal.open()
    stack.callback(journal.close)
    encoder = open_encoder(stack, configuration, paths)
    static = open_static()
    keys = KeyFile(paths.keys, paths.pepper)
    learning = make_learning(stack, configuration, paths, keys.load().pepper, worker)
    clock, metrics = SystemClock(), Meter()
    sinks = make_sinks(stack, configuration, clock, log)
    bindings = SqliteBindings(paths.bindings, clock)
    stack.push_async_callback(bindings.close)
    traces = Traces(clock, log, metrics)
    stack.push_async_callback(traces.close)
    return Parts(
        clock=clock,
        paths=paths,
        journal=journal,
        encoder=encoder,
        static=static,
        keys=keys,
        bindings=bindings,
        metrics=metrics,
        log=log,
        learning=learning,
        sinks=sinks,
        tls=tls,
        traces=traces,
    )


def open_encoder(
    stack: ExitStack | AsyncExitStack, configuration: Configuration, paths: StatePaths
) -> OnnxEncoder:
    """Load the encoder and check that it gives here what its files promise."""
    settings = configuration.encoder
    encoder = make_encoder(
        configuration.encoder_source,
        paths.root,
        OnnxEncoderSettings(settings.threads, settings.queue, settings.windows),
    )
    stack.callback(encoder.close)
    encoder.open()
    encoder.check()
    return encoder
