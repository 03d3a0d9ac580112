"""The settings of `tidegate.yaml`, gathered; the descriptions are the operator's reference.

Shapes only. What depends on more than one setting is checked where it becomes a value: routes in
`routes.py`, tasks in `tasks.py`, upstreams in `upstreams.py`, the rest in `load.py`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.config.data_listener import DataListenerSettings
from tidegate.config.encoder_settings import EncoderSettings
from tidegate.config.learning_settings import LearningSettings
from tidegate.config.route_settings import RouteSettings
from tidegate.config.sinks import HttpsSinkSettings, StdoutSinkSettings
from tidegate.config.task_settings import TaskSettings
from tidegate.config.telemetry import TelemetrySettings
from tidegate.config.words import Name, Port
from tidegate.domain.zone import Tier

MOST_WORKERS = 64

_Seconds = Annotated[float, Meta(gt=0, le=3_600)]


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this node is and where it stands."""

    name: Annotated[Name, Meta(description="Name of the node in logs and records.")] = "node"
    tier: Annotated[Tier, Meta(description="Distance: `device`, `pop`, `region` or `central`.")]
    region: Annotated[
        str, Meta(min_length=1, description="Region in which it stands, in your own words.")
    ]
    zone: Annotated[
        str, Meta(min_length=1, description="Residency zone that the region belongs to.")
    ]


class AdminListenerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where operators reach the node: metrics, records, reload. Never open to the network."""

    host: Annotated[str, Meta(min_length=1, description="Loopback address. Default 127.0.0.1.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        Port,
        Meta(
            description="TCP port. Default 0: the system chooses, and the node writes its choice"
            " to `admin.address` in the state directory."
        ),
    ] = 0
    unix: Annotated[
        str | None, Meta(description="Path of a unix socket, instead of `host` and `port`.")
    ] = None


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two listeners."""

    data: Annotated[DataListenerSettings, Meta(description="For clients.")] = DataListenerSettings()
    admin: Annotated[AdminListenerSettings, Meta(description="For operators.")] = (
        AdminListenerSettings()
    )


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what the node takes; a request beyond one is refused, never cut."""

    body_bytes: Annotated[
        int,
        Meta(
            ge=1_024,
            le=1 << 30,
            description="Largest request body in bytes. Default 10 MiB: a long conversation with"
            " some images.",
        ),
    ] = 10_485_760
    head_s: Annotated[
        _Seconds,
        Meta(description="Seconds for the head of a request to arrive. Default 10."),
    ] = 10.0
    body_s: Annotated[
        _Seconds,
        Meta(description="Seconds for the body of a request to arrive. Default 10."),
    ] = 10.0
    upload_bytes: Annotated[
        int,
        Meta(
            ge=1_024,
            le=1 << 30,
            description="Largest body in bytes of the paths for sounds and files, which is held in"
            " memory while it is passed on. Default 26 MiB: OpenAI takes recordings up to 25 MB.",
        ),
    ] = 27_262_976
    upload_s: Annotated[
        _Seconds,
        Meta(description="Seconds for such a body to arrive. Default 120."),
    ] = 120.0
    questions: Annotated[
        int,
        Meta(ge=1, le=2_000, description="Questions of one decisions request. Default 400."),
    ] = 400
    inputs: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Texts of one embeddings request. Default 2048."),
    ] = 2_048
    in_flight: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Requests served at the same time; more are answered 503. Default 1024.",
        ),
    ] = 1_024
    connections: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Connections of clients that are open at the same time. Beyond it those on"
            " which nothing is asked are closed, longest idle first; when there are none, new ones"
            " get 503, and `/livez` and `/readyz` still an answer. Default 4096.",
        ),
    ] = 4_096
    cache_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 36,
            description="Memory for cached answers in bytes; the least recently used go first."
            " Default 64 MiB.",
        ),
    ] = 67_108_864


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tenant: keys belong to it, and nothing cached or recorded crosses to another."""

    name: Annotated[Name, Meta(description="Name, as given to `tidegate keys create --tenant`.")]
    keep_text: Annotated[
        bool,
        Meta(
            description="Labels learned from this tenant's traffic keep the text. Default no: only"
            " its vector is kept."
        ),
    ] = False


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files and batches. A batch names its models itself: no route is asked."""

    upstream: Annotated[
        Name,
        Meta(
            description="Name of the `openai` upstream with which files and batches lie. Ids are"
            " bound to the tenant that made them, and to this upstream."
        ),
    ]
    deadline_s: Annotated[
        _Seconds, Meta(description="Seconds for one request of these paths. Default 300.")
    ] = 300.0


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long records are kept."""

    keep_days: Annotated[
        float, Meta(gt=0, le=3_660, description="Age in days at which a record goes. Default 30.")
    ] = 30.0
    keep_rows: Annotated[
        int,
        Meta(
            ge=1_000,
            le=1_000_000_000,
            description="Records at most, the oldest go first. Default 1,000,000: about 1 GB.",
        ),
    ] = 1_000_000
    sinks: Annotated[
        tuple[StdoutSinkSettings | HttpsSinkSettings, ...],
        Meta(
            description="Where each record is appended as well, as a line of JSON. Never request"
            " text. Default: nowhere."
        ),
    ] = ()


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log lines on standard output. Request text is never among them."""

    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="`auto` (default): text on a terminal, JSON lines elsewhere."),
    ] = "auto"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of a Tidegate node."""

    node: Annotated[NodeSettings, Meta(description="What this node is and where it stands.")] = (
        NodeSettings(tier="device", region="local", zone="local")
    )
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_WORKERS)] | Literal["auto"],
        Meta(
            description="Processes that serve requests. Default 1; `auto`: one for each core. Each"
            " has its own encoder, cache and `limits.in_flight`; see `docs/deploy.md`."
        ),
    ] = 1
    listeners: Annotated[ListenerSettings, Meta(description="Where it is reached.")] = (
        ListenerSettings()
    )
    limits: Annotated[Limits, Meta(description="Bounds on what it takes.")] = Limits()
    tenants: Annotated[
        tuple[TenantSettings, ...],
        Meta(min_length=1, description="Who may have keys. Default: one, called `default`."),
    ] = (TenantSettings(name="default"),)
    prices: Annotated[
        str | None,
        Meta(
            description="JSON file with prices that extend and replace those that ship; a path"
            " relative to this file."
        ),
    ] = None
    encoder: Annotated[EncoderSettings, Meta(description="The text encoder of this node.")] = (
        EncoderSettings()
    )
    upstreams: Annotated[
        tuple[UpstreamSettings, ...], Meta(description="Model servers elsewhere.")
    ] = ()
    routes: Annotated[
        tuple[RouteSettings, ...], Meta(description="What is done with which model name.")
    ] = ()
    batches: Annotated[
        BatchSettings | None,
        Meta(description="Files and batches, passed on. Default: refused."),
    ] = None
    tasks: Annotated[
        dict[Name, TaskSettings],
        Meta(description="What this node may decide itself, by name of the task."),
    ] = {}
    ledger: Annotated[LedgerSettings, Meta(description="How long records are kept.")] = (
        LedgerSettings()
    )
    learning: Annotated[
        LearningSettings,
        Meta(description="Learning from forwarded traffic; off until a route asks."),
    ] = LearningSettings()
    log: Annotated[LogSettings, Meta(description="Log lines on standard output.")] = LogSettings()
    telemetry: Annotated[
        TelemetrySettings, Meta(description="What leaves the node about its requests.")
    ] = TelemetrySettings()
