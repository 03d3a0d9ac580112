"""The paths by which nodes share a learner: who is let in, and how many at a time."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from tidegate.api.arrival import Limits
from tidegate.api.exchange import AT_ONCE, ExchangePaths, methods_of
from tidegate.api.intake import Intake
from tidegate.domain.identity import Identity, Role, Scope
from tidegate.errors import Forbidden, InvalidRequest, NoAnswer, TidegateError
from tidegate.fleet.learner_desk import LearnerDesk
from tidegate.wire.exchange import LabelsTaken

LIMITS = Limits(
    body_bytes=10_000,
    body_s=1.0,
    upload_bytes=1,
    upload_s=1.0,
    questions=1,
    inputs=1,
    in_flight=10,
)
BODY = msgspec.json.encode(
    {
        "task": "t",
        "question": {"type": "predicate", "name": None, "instructions": "x", "options": []},
        "encoder": "e",
        "rows": [
            {
                "id": "1",
                "origin": "audit",
                "group": b"g" * 16,
                "cluster": b"c" * 16,
                "label": True,
                "vector": b"vv",
                "upstream": "u",
                "model": "m",
                "time": 1.0,
                "zone": "eu",
                "region": "eu",
                "share": 1.0,
                "stratum": 0,
            }
        ],
    }
)


class Door:
    """Lets one caller in."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.refused: list[TidegateError] = []

    def identify(self, _headers: object) -> Identity:
        return self._identity

    def limits(self) -> Limits:
        return LIMITS

    def on_refusal(self, error: TidegateError, _request_id: str) -> None:
        self.refused.append(error)


class Desk:
    """Lets in whom the real one lets in, and takes labels when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    def admit(self, identity: Identity) -> None:
        LearnerDesk.admit(cast("LearnerDesk", self), identity)

    async def take_labels(self, *_given: object) -> LabelsTaken:
        await self.go.wait()
        return LabelsTaken(new=1)


def paths(role: Role = "node", *scopes: Scope) -> tuple[ExchangePaths, Desk, Door]:
    door = Door(Identity("acme", "k", role, frozenset(scopes or ("learn",))))
    desk = Desk()
    return ExchangePaths(cast("Intake", door), cast("LearnerDesk", desk)), desk, door


async def ask(served: ExchangePaths, method: str, path: str, query: bytes = b"") -> int:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"method": method, "path": path, "headers": [], "query_string": query, "state": {}}
    await served.serve("r", scope, receive, send)
    return int(sent[0]["status"])


async def test_so_many_at_once_and_no_more() -> None:
    served, desk, door = paths()
    under_way = [
        asyncio.create_task(ask(served, "POST", "/v1/learning/labels")) for _ in range(AT_ONCE)
    ]
    await asyncio.sleep(0)
    with pytest.raises(NoAnswer) as refused:
        await ask(served, "POST", "/v1/learning/labels")
    assert refused.value.reason == "overloaded"
    assert door.refused == [refused.value]
    desk.go.set()
    assert await asyncio.gather(*under_way) == [200] * AT_ONCE
    assert await ask(served, "POST", "/v1/learning/labels") == 200


@pytest.mark.parametrize(("role", "scope"), [("client", "learn"), ("node", "decisions")])
async def test_others_are_not_let_in(role: Role, scope: Scope) -> None:
    served, _, door = paths(role, scope)
    with pytest.raises(Forbidden):
        await ask(served, "GET", "/v1/learning/tasks", b"zone=eu")
    assert len(door.refused) == 1


@pytest.mark.parametrize("query", [b"", b"zone=", b"zone=" + b"x" * 129])
async def test_who_asks_says_where_it_stands(query: bytes) -> None:
    served, _, _ = paths()
    with pytest.raises(InvalidRequest) as refused:
        await ask(served, "GET", "/v1/learning/tasks", query)
    assert refused.value.param == "zone"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/learning/tasks", ("GET",)),
        ("/v1/learning/labels", ("POST",)),
        ("/v1/learning/bundles/support.acme/3-0a1b2c3d4e5f", ("GET",)),
        ("/v1/learning/bundles/../../keys.json", ()),
        ("/v1/learning/bundles/support.acme/", ()),
        ("/v1/learning", ()),
    ],
)
def test_only_these_paths_are_served(path: str, methods: tuple[str, ...]) -> None:
    assert methods_of(path) == methods
