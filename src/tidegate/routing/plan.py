"""The plan of a request: which upstreams may be asked, in which order, and why."""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from tidegate.domain.plan import Candidate, Plan
from tidegate.domain.request import Chat, Dialect, Request
from tidegate.domain.route import Route, Target
from tidegate.domain.zone import DISTANCE, Place
from tidegate.routing.features import features
from tidegate.routing.pin import pinned
from tidegate.routing.rules import CompiledRule, first_match


def plan(
    request: Request,
    route: Route,
    *,
    places: Mapping[str, Place],
    speaks: Callable[[str, Dialect], bool],
    rules: Sequence[CompiledRule] = (),
) -> Plan:
    """Order the candidates of a route for one request.

    `places` tells where each upstream of the route stands, `speaks` whether it speaks a dialect
    itself. With `strategy: rules` the first rule
    that holds says at which upstream to start; when none does, the plan starts at the last one.
    Nearer tiers then have to show their first token within the route's edge deadline.
    """
    candidates = tuple(_candidate(target, request, places) for target in route.targets)
    if (only := pinned(request, candidates, speaks)) is not None:
        return only
    if route.strategy == "ordered" or not isinstance(request.ask, Chat):
        return Plan(candidates, "ordered")
    found = first_match(rules, features(request.ask))
    if found is None:
        return Plan(candidates[-1:], "rules:none")
    position, rule = found
    start = next(i for i, one in enumerate(candidates) if one.upstream == rule.to)
    return Plan(_hurry(candidates[start:], route.edge_first_token_s), f"rules:{position}")


def _candidate(target: Target, request: Request, places: Mapping[str, Place]) -> Candidate:
    return Candidate(target.upstream, target.model or request.model, places[target.upstream])


def _hurry(candidates: tuple[Candidate, ...], first_token_s: float) -> tuple[Candidate, ...]:
    """Give every candidate that is nearer than the farthest one the edge deadline."""
    farthest = max(DISTANCE[one.place.tier] for one in candidates)
    return tuple(
        replace(one, first_token_s=first_token_s) if DISTANCE[one.place.tier] < farthest else one
        for one in candidates
    )
