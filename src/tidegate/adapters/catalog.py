"""Which adapters exist: a dotted id to the module that holds one. Loaded only when asked for.

Adding an adapter touches this table and its own file, nothing else.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.secret import Secret
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.ports.upstream import Upstream

UPSTREAMS: Mapping[str, str] = MappingProxyType(
    {
        "upstreams.openai": "tidegate.adapters.upstreams.openai",
        "upstreams.anthropic": "tidegate.adapters.upstreams.anthropic",
        "upstreams.tidegate": "tidegate.adapters.upstreams.tidegate",
        "upstreams.workers_ai": "tidegate.adapters.upstreams.workers_ai",
        "upstreams.embed_http": "tidegate.adapters.upstreams.embed_http",
    }
)


class UpstreamKind(Protocol):
    """What the module of an upstream adapter offers."""

    Settings: type[UpstreamSettings]
    """The adapter's settings, tagged by `kind`."""

    def build(
        self, settings: UpstreamSettings, *, secret: Secret | None, http: Http, clock: Clock
    ) -> Upstream:
        """Make the adapter; nothing is opened."""
        ...


def load(upstream: str) -> UpstreamKind:
    """Import the adapter with this dotted id; raises KeyError for one that is not listed."""
    return cast("UpstreamKind", import_module(UPSTREAMS[upstream]))
