"""Where records are appended beside the ledger: settings, and what becomes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tidegate.config.addresses import is_loopback
from tidegate.config.document import Document
from tidegate.config.problem import Path as Setting
from tidegate.config.problem import spell
from tidegate.config.references import resolve
from tidegate.config.words import Name
from tidegate.domain.secret import Secret

_HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class _Sink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every sink has."""

    name: Annotated[Name, Meta(description="Name in metrics and in the status.")]
    queue: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Records that may wait, in memory; beyond that the oldest are dropped and"
            " counted. Default 10000: about 12 MB.",
        ),
    ] = 10_000
    batch: Annotated[
        int, Meta(ge=1, le=10_000, description="Records handed over at once. Default 500.")
    ] = 500
    flush_s: Annotated[
        float, Meta(ge=0.01, le=3_600, description="Seconds between two batches. Default 1.")
    ] = 1.0


class StdoutSinkSettings(_Sink, frozen=True, kw_only=True, tag_field="kind", tag="stdout"):
    """Lines on standard output; those of the log beside them have an `event`, these have none."""


class HttpsSinkSettings(_Sink, frozen=True, kw_only=True, tag_field="kind", tag="https"):
    """A server that takes JSON lines by POST."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
            extra={"form": "an address such as https://records.example/in, without a query or key"},
            description="Where to post. `https`, or `http` to this machine alone.",
        ),
    ]
    zone: Annotated[
        str,
        Meta(
            min_length=1,
            description="Residency zone of that server. It must be the node's own: a record never"
            " leaves its zone.",
        ),
    ]
    headers: Annotated[
        dict[_HeaderName, str],
        Meta(description="Headers by name, each a reference: `env:NAME` or `file:PATH`."),
    ] = {}
    ca_file: Annotated[
        str | None, Meta(description="PEM file with authorities to trust beside the system's.")
    ] = None


SinkSettings = StdoutSinkSettings | HttpsSinkSettings


@dataclass(frozen=True, slots=True)
class ConfiguredSink:
    """A sink that is to be made; without a URL it is standard output."""

    name: str
    queue: int
    batch: int
    flush_s: float
    url: str | None = None
    zone: str = ""
    ca_file: str | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What settings of sinks are checked against."""

    zone: str
    environment: Mapping[str, str]
    folder: Path


def configure_sinks(
    sinks: Sequence[SinkSettings], document: Document, around: Surroundings
) -> tuple[ConfiguredSink, ...]:
    """Check each sink; what is wrong is reported to `document`."""
    made: list[ConfiguredSink] = []
    for path, sink in document.entries(("ledger", "sinks"), sinks):
        if any(sink.name == known.name for known in made):
            document.report(path, f"there are two sinks called `{sink.name}`")
        kept = ConfiguredSink(sink.name, sink.queue, sink.batch, sink.flush_s)
        match sink:
            case StdoutSinkSettings():
                made.append(kept)
            case HttpsSinkSettings():
                made.append(_https(sink, document, path, around))
    return tuple(made)


def _https(
    sink: HttpsSinkSettings, document: Document, path: Setting, around: Surroundings
) -> ConfiguredSink:
    if sink.zone != around.zone:
        document.report(
            (*path, "zone"),
            f"`{spell((*path, 'zone'))}` is {sink.zone!r} and the node's zone {around.zone!r}; a"
            " record never leaves its zone, so name a server within it",
        )
    url = urlsplit(sink.url)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        document.report(
            (*path, "url"),
            f"`{spell((*path, 'url'))}` is plain http to another machine; use https",
        )
    ca_file: Path | None = None
    if sink.ca_file is not None:
        ca_file = around.folder / Path(sink.ca_file).expanduser()
        if not ca_file.is_file():
            document.report((*path, "ca_file"), f"there is no file `{ca_file}`")
    headers: dict[str, Secret] = {}
    for name, reference in sink.headers.items():
        here = (*path, "headers", name)
        resolved = resolve(reference, around.environment, around.folder)
        if resolved.problem is not None:
            document.report(here, f"`{spell(here)}`: {resolved.problem}")
        if resolved.warning is not None:
            document.warn(here, f"`{spell(here)}`: {resolved.warning}")
        if resolved.secret is not None:
            headers[name] = resolved.secret
    return ConfiguredSink(
        sink.name,
        sink.queue,
        sink.batch,
        sink.flush_s,
        url=sink.url,
        zone=sink.zone,
        ca_file=None if ca_file is None else str(ca_file),
        headers=headers,
    )
