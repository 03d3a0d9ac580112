"""Settings of traces, and what becomes of them: which are kept, and to whom they are sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tidegate.adapters.http.httptools_client.dial import trust
from tidegate.adapters.upstream_settings import Timeouts, UpstreamSettings
from tidegate.config.addresses import is_loopback
from tidegate.config.document import Document
from tidegate.config.problem import Path as Setting
from tidegate.config.problem import spell
from tidegate.config.references import resolve
from tidegate.config.words import Text
from tidegate.domain.secret import Secret
from tidegate.domain.zone import Place
from tidegate.errors import ConfigError
from tidegate.telemetry.sampling import TracePolicy

_HERE: Setting = ("telemetry", "traces")
_PATH = "/v1/traces"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = frozenset(
    {"content-type", "content-encoding", "content-length", "host", "user-agent"}
)
_Rate = Annotated[float, Meta(ge=0, le=100_000)]


class TraceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traces of some requests, sent to a collector by OTLP over HTTP. Never request text."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
            extra={"form": "an address such as https://otel.example:4318, without a query or key"},
            description="Where the collector takes them, such as `https://otel.example:4318`."
            " Without a path, `/v1/traces` is added. https, or a loopback address.",
        ),
    ]
    zone: Annotated[
        str,
        Meta(
            min_length=1,
            description="Residency zone of the collector; must be the node's own, since traces tell"
            " about requests.",
        ),
    ]
    headers: Annotated[
        dict[str, Text],
        Meta(
            description="Headers to send, each a reference (`env:NAME` or `file:PATH`), such as"
            " `authorization: env:OTLP_AUTHORIZATION`."
        ),
    ] = {}
    ca_file: Annotated[
        str | None,
        Meta(description="PEM file with certificate authorities to trust beside the system's."),
    ] = None
    proxy: Annotated[
        str,
        Meta(
            pattern=r"^(environment|none|http://[^\s@]+)$",
            extra={"form": "`environment`, `none` or an address such as http://proxy.example:3128"},
            description="As for upstreams: `environment` (default), `none` or `http://HOST:PORT`.",
        ),
    ] = "environment"
    insecure: Annotated[
        bool,
        Meta(
            description="`true` allows plain http to another machine; for a network that is"
            " protected otherwise. Default `false`."
        ),
    ] = False
    timeout_s: Annotated[
        float, Meta(gt=0, le=300, description="Seconds for one batch. Default 10.")
    ] = 10.0
    share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of the requests without a trace context whose trace is kept."
            " Default 0.01.",
        ),
    ] = 0.01
    slow_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Requests that waited longer are kept: for the whole answer, or for the"
            " first token of a stream. Default 10.",
        ),
    ] = 10.0
    errors: Annotated[
        bool,
        Meta(
            description="Keep requests that failed on this side: 5xx and broken streams. Default"
            " `true`."
        ),
    ] = True
    caller_per_s: Annotated[
        _Rate,
        Meta(
            description="Traces a second that are kept because the caller had sampled them;"
            " 0 keeps none. Default 10, so that a client cannot fill the collector."
        ),
    ] = 10.0
    kept_per_s: Annotated[
        _Rate, Meta(description="Traces a second that are kept for any reason. Default 100.")
    ] = 100.0
    flush_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="Seconds for sending what waits when the node stops. Default 2.",
        ),
    ] = 2.0


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leaves the node about its requests: nothing by default; metrics wait to be scraped."""

    traces: Annotated[
        TraceSettings | None, Meta(description="Traces by OTLP/HTTP. Default: none.")
    ] = None


@dataclass(frozen=True, slots=True)
class TraceCollector:
    """To whom traces are sent, checked and resolved."""

    server: UpstreamSettings
    """As the HTTP client wants it; `base_url` is the whole URL."""
    headers: tuple[tuple[str, Secret], ...] = ()
    flush_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Tracing:
    """Which traces are kept, and where they go."""

    policy: TracePolicy
    collector: TraceCollector = field(repr=False)


def configure_tracing(
    settings: TraceSettings | None,
    place: Place,
    document: Document,
    environment: Mapping[str, str],
    folder: Path,
) -> Tracing | None:
    """Turn the settings into values; what is wrong is reported to the document."""
    if settings is None:
        return None
    if settings.zone != place.zone:
        document.report(
            (*_HERE, "zone"),
            f"`telemetry.traces.zone` is {settings.zone!r} and the node's zone is {place.zone!r}:"
            " traces tell about requests and stay in their zone; name a collector there",
        )
    _check_transport(settings, document)
    policy = TracePolicy(
        share=settings.share,
        slow_s=settings.slow_s,
        keeps_errors=settings.errors,
        caller_per_s=settings.caller_per_s,
        kept_per_s=settings.kept_per_s,
    )
    headers = _headers(settings.headers, document, environment, folder)
    server = _server(settings, place, document, folder)
    return Tracing(policy, TraceCollector(server, headers, settings.flush_s))


def _check_transport(settings: TraceSettings, document: Document) -> None:
    url = urlsplit(settings.endpoint)
    if url.scheme == "https" or settings.insecure or is_loopback(url.hostname or ""):
        return
    document.report(
        (*_HERE, "endpoint"),
        f"`telemetry.traces.endpoint` is {settings.endpoint!r}, plain http to another machine:"
        " whoever is on the way reads the traces; use https, or say `insecure: true`",
    )


def _headers(
    references: Mapping[str, str],
    document: Document,
    environment: Mapping[str, str],
    folder: Path,
) -> tuple[tuple[str, Secret], ...]:
    found: list[tuple[str, Secret]] = []
    for name, reference in references.items():
        here = (*_HERE, "headers", name)
        if not _TOKEN.fullmatch(name) or name.lower() in _OWN_HEADERS:
            document.report(here, f"{name!r} is no header that may be set here")
            continue
        resolved = resolve(reference, environment, folder)
        if resolved.problem is not None:
            document.report(here, f"`{spell(here)}`: {resolved.problem}")
        if resolved.warning is not None:
            document.warn(here, f"`{spell(here)}`: {resolved.warning}")
        if resolved.secret is not None:
            found.append((name.lower(), resolved.secret))
    return tuple(found)


def _server(
    settings: TraceSettings, place: Place, document: Document, folder: Path
) -> UpstreamSettings:
    ca_file = settings.ca_file
    if ca_file is not None:
        path = folder / Path(ca_file).expanduser()
        ca_file = str(path)
        try:
            trust(ca_file)
        except ConfigError as error:
            document.report((*_HERE, "ca_file"), error.message)
    url = settings.endpoint
    if not urlsplit(url).path.strip("/"):
        url = url.rstrip("/") + _PATH
    return UpstreamSettings(
        name="telemetry.traces",
        base_url=url,
        tier=place.tier,
        region=place.region,
        zone=settings.zone,
        ca_file=ca_file,
        proxy=settings.proxy,
        timeouts=Timeouts(
            connect_s=settings.timeout_s,
            first_byte_s=settings.timeout_s,
            gap_s=settings.timeout_s,
            total_s=settings.timeout_s,
        ),
    )
