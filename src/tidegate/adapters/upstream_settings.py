"""Settings that every upstream has, whatever it speaks; each adapter adds its own beside its class.

The descriptions are the operator's reference. Values only: nothing here opens or reads anything.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidegate.domain.zone import Place, Tier

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait for an upstream, in seconds; a request's own deadline holds as well."""

    connect_s: Annotated[
        Seconds,
        Meta(
            description="Seconds for name lookup, TCP and TLS together. Default 2: enough across"
            " an ocean with one lost packet, and short enough to try the next tier."
        ),
    ] = 2.0
    first_byte_s: Annotated[
        Seconds,
        Meta(
            description="Seconds from sending the request to the head of the answer. Default 60:"
            " a whole answer has its head only after all of it was generated."
        ),
    ] = 60.0
    gap_s: Annotated[
        Seconds,
        Meta(
            description="Seconds without a single byte in the middle of an answer. Default 60:"
            " reasoning models pause that long between tokens."
        ),
    ] = 60.0
    total_s: Annotated[Seconds, Meta(description="Seconds for the whole answer. Default 300.")] = (
        300.0
    )


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields that every kind of upstream has."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
            extra={"form": "letters, digits, `.`, `_` and `-`, not beginning with a sign"},
            description="Name by which routes, records and metrics call this upstream.",
        ),
    ]
    base_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
            extra={"form": "an address such as https://host.example/v1, without a query or key"},
            description="Where it answers, with the version part of the path where it has one"
            " (`https://api.openai.com/v1`). No credentials in it. Clients cannot change it.",
        ),
    ]
    tier: Annotated[Tier, Meta(description="Distance: `device`, `pop`, `region` or `central`.")]
    region: Annotated[
        str, Meta(min_length=1, description="Region in which it stands, in your own words.")
    ]
    zone: Annotated[
        str, Meta(min_length=1, description="Residency zone that the region belongs to.")
    ]
    api_key: Annotated[
        str | None,
        Meta(
            description="Reference to the operator's key: `env:NAME` or `file:PATH`. Leave it out"
            " for a server that wants none, or with `credentials: passthrough`."
        ),
    ] = None
    credentials: Annotated[
        Literal["operator", "passthrough"],
        Meta(
            description="Whose key goes upstream: `operator` sends `api_key`; `passthrough` sends"
            " what the client brought and never the operator's. Default `operator`."
        ),
    ] = "operator"
    timeouts: Annotated[Timeouts, Meta(description="How long to wait for it in each phase.")] = (
        Timeouts()
    )
    ca_file: Annotated[
        str | None,
        Meta(
            description="PEM file with certificate authorities to trust beside the system's;"
            " for servers with a private authority."
        ),
    ] = None
    proxy: Annotated[
        str,
        Meta(
            pattern=r"^(environment|none|http://\S+)$",
            extra={"form": "`environment`, `none` or an address such as http://proxy.example:3128"},
            description="`environment` (default) follows HTTPS_PROXY, HTTP_PROXY and NO_PROXY,"
            " `none` connects directly, `http://HOST:PORT` names a proxy for this upstream alone.",
        ),
    ] = "environment"

    @property
    def place(self) -> Place:
        """Where it stands, as routing sees it."""
        return Place(tier=self.tier, region=self.region, zone=self.zone)


@dataclass(frozen=True, slots=True)
class EnvironmentProxies:
    """Proxies that the node's environment names; read by whoever loads the configuration."""

    https: str | None = None
    http: str | None = None
    exclusions: str | None = None
    """NO_PROXY: hosts, domains and networks that are reached directly, separated by commas."""
