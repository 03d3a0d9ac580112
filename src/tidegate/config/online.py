"""Whether the models that routes name exist where the routes send them; asks every upstream."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.config.problem import suggest
from tidegate.domain.route import Route
from tidegate.errors import DeadlineExceeded, UpstreamError
from tidegate.ports.upstream import Upstream

Listing = frozenset[str] | UpstreamError | DeadlineExceeded
"""The models that an upstream says it has, or why it did not say."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One model of one route at one upstream."""

    route: str
    model: str
    """`*` stands for whatever name the client gives."""
    upstream: str
    state: Literal["ok", "missing", "unreachable"]
    remedy: str = ""


async def list_models(upstreams: Sequence[Upstream], deadline: float) -> dict[str, Listing]:
    """Ask all upstreams at once; `deadline` is monotonic seconds."""
    listings = await asyncio.gather(*(_list(upstream, deadline) for upstream in upstreams))
    return {upstream.name: one for upstream, one in zip(upstreams, listings, strict=True)}


def compare(routes: Sequence[Route], listings: Mapping[str, Listing]) -> tuple[Finding, ...]:
    """Hold each target of each route against what its upstream has."""
    return tuple(finding for route in routes for finding in _findings(route, listings))


async def _list(upstream: Upstream, deadline: float) -> Listing:
    try:
        await upstream.open()
        return frozenset(await upstream.models(deadline))
    except (UpstreamError, DeadlineExceeded) as error:
        return error
    finally:
        await upstream.close()


def _findings(route: Route, listings: Mapping[str, Listing]) -> Iterator[Finding]:
    for target in route.targets:
        listing = listings[target.upstream]
        for model in (target.model,) if target.model else route.models:
            yield _finding(route.name, model, target.upstream, listing)


def _finding(route: str, model: str, upstream: str, listing: Listing) -> Finding:
    if not isinstance(listing, frozenset):
        return Finding(route, model, upstream, "unreachable", str(listing))
    if model == "*" or model in listing:
        return Finding(route, model, upstream, "ok")
    hint = suggest(model, listing) if listing else "; it lists no models at all"
    return Finding(route, model, upstream, "missing", f"`{upstream}` has no model `{model}`{hint}")
