"""The configuration as the rest of the program sees it: checked, resolved, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tidegate.adapters.upstream_settings import EnvironmentProxies, UpstreamSettings
from tidegate.config.data_listener import ClientSide
from tidegate.config.encoder import EncoderSource
from tidegate.config.encoder_settings import EncoderSettings
from tidegate.config.learning_settings import LearningSettings
from tidegate.config.schema import LedgerSettings, Limits
from tidegate.config.sinks import ConfiguredSink
from tidegate.config.telemetry import Tracing
from tidegate.domain.learn_policy import LearnRole
from tidegate.domain.passed import Batches
from tidegate.domain.route import Route
from tidegate.domain.secret import Secret
from tidegate.domain.task import Task
from tidegate.domain.zone import Place


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and a port; port 0 lets the system choose."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a unix socket."""

    path: Path


@dataclass(frozen=True, slots=True)
class ConfiguredUpstream:
    """An upstream that is to be built: which adapter, its settings, the operator's key."""

    adapter: str
    """Dotted id in `adapters/catalog.py`."""
    settings: UpstreamSettings
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that a node is built from."""

    source: str | None
    """The file as the operator named it; None for the embedded default."""
    content_hash: str
    """SHA-256 of the file's bytes: tells whether the text changed, not whether anything did."""
    name: str
    place: Place
    data: TcpAddress
    admin: TcpAddress | UnixAddress
    limits: Limits
    tenants: tuple[str, ...]
    encoder: EncoderSettings
    ledger: LedgerSettings
    log_format: Literal["auto", "json", "text"]
    upstreams: tuple[ConfiguredUpstream, ...] = ()
    routes: tuple[Route, ...] = ()
    """Those of the file, then the implicit ones: the encoder's and one for each task."""
    tasks: tuple[Task, ...] = ()
    learning: LearningSettings = field(default_factory=LearningSettings)
    learner: ConfiguredUpstream | None = None
    """The node that learns what this one only collects for or serves."""
    learn_roles: Mapping[str, LearnRole] = field(default_factory=dict)
    """Of tasks that have another than `learning.role`."""
    keep_text: frozenset[str] = frozenset()
    """Tenants that allow that texts are kept."""
    batches: Batches | None = None
    sinks: tuple[ConfiguredSink, ...] = ()
    prices: Path | None = None
    encoder_source: EncoderSource = field(default_factory=EncoderSource)
    client_side: ClientSide = field(default_factory=ClientSide)
    workers: int | None = 1
    """Processes that serve; None: one for each core that this process may use."""
    content: bytes = field(default=b"{}", repr=False)
    """The text itself, for other processes of this node."""
    folder: Path = field(default_factory=Path)
    """Relative paths in it count from here."""
    proxies: EnvironmentProxies = field(default_factory=EnvironmentProxies, repr=False)
    """Not shown: their URLs may hold credentials."""
    tracing: Tracing | None = None
