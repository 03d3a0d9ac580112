"""Models that routes name, held against what upstreams say they have."""

from collections.abc import Sequence

from tidegate.config.online import Finding, compare, list_models
from tidegate.domain.answer import Answer
from tidegate.domain.request import Dialect
from tidegate.domain.route import Route, Target
from tidegate.domain.zone import Place
from tidegate.errors import UpstreamUnreachable
from tidegate.ports.upstream import UpstreamCall, UpstreamStream

DOWN = UpstreamUnreachable("far", "connection refused")


class Listing:
    """An upstream that can only list models."""

    def __init__(self, name: str, models: Sequence[str] | UpstreamUnreachable) -> None:
        self.name = name
        self.place = Place("central", "r", "z")
        self.native: frozenset[Dialect] = frozenset()
        self.is_closed = False
        self._models = models

    async def open(self) -> None:
        pass

    async def models(self, deadline: float) -> Sequence[str]:
        assert deadline == 5.0
        if isinstance(self._models, UpstreamUnreachable):
            raise self._models
        return self._models

    async def close(self) -> None:
        self.is_closed = True

    async def call(self, call: UpstreamCall) -> Answer:
        raise AssertionError(call)

    async def stream(self, call: UpstreamCall) -> UpstreamStream:
        raise AssertionError(call)


def route(*models: str, to: Sequence[Target]) -> Route:
    return Route(name=models[0], models=models, targets=tuple(to))


async def test_all_upstreams_are_asked_and_closed() -> None:
    near, far = Listing("near", ["m"]), Listing("far", DOWN)
    assert await list_models([near, far], 5.0) == {"near": frozenset({"m"}), "far": DOWN}
    assert near.is_closed
    assert far.is_closed


def test_a_model_that_exists_is_ok() -> None:
    found = compare([route("alias", to=[Target("far", "m")])], {"far": frozenset({"m"})})
    assert found == (Finding("alias", "m", "far", "ok"),)


def test_each_name_of_a_route_must_exist_where_it_is_passed_on() -> None:
    found = compare([route("m", "x", to=[Target("far", "")])], {"far": frozenset({"m"})})
    assert [(one.model, one.state) for one in found] == [("m", "ok"), ("x", "missing")]


def test_a_missing_model_names_the_nearest() -> None:
    found = compare(
        [route("a", to=[Target("far", "gpt-6-lun")])], {"far": frozenset({"gpt-6-luna"})}
    )
    assert found[0].remedy == "`far` has no model `gpt-6-lun`; did you mean `gpt-6-luna`?"


def test_an_upstream_without_a_list_says_so() -> None:
    found = compare([route("a", to=[Target("far", "m")])], {"far": frozenset()})
    assert found[0].remedy.endswith("it lists no models at all")


def test_the_star_needs_only_an_upstream_that_answers() -> None:
    star = route("*", to=[Target("far", "")])
    assert compare([star], {"far": frozenset()})[0].state == "ok"
    assert compare([star], {"far": DOWN})[0] == Finding("*", "*", "far", "unreachable", str(DOWN))


def test_local_routes_have_nothing_to_ask() -> None:
    assert compare([Route(name="e", models=("e",), uses_encoder=True)], {}) == ()
