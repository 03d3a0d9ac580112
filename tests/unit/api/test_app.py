import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from tests.unit.api.asgi import Sent, ask, scope
from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.api.anthropic import Messages
from tidegate.api.app import DataApp
from tidegate.api.arrival import ClientLeft, Limits, Receive, Scope, Send
from tidegate.api.exchange import ExchangePaths
from tidegate.api.feedback import FeedbackIntake
from tidegate.api.health import Health, Readiness
from tidegate.api.openai import Surfaces
from tidegate.api.passthrough import PassedPaths
from tidegate.api.respond import send_whole
from tidegate.domain.request import Dialect, Surface
from tidegate.errors import InvalidRequest, TidegateError

CHAT = "/v1/chat/completions"

Handler = Callable[[Send], Awaitable[None]]


class Scripted:
    """Stands for the surfaces: asks end as the test says."""

    def __init__(self, handler: Handler, in_flight: int) -> None:
        self._handler = handler
        self._in_flight = in_flight
        self.refused: list[TidegateError] = []
        self.intake = self

    def limits(self) -> Limits:
        return Limits(
            1024,
            10.0,
            upload_bytes=1024,
            upload_s=10.0,
            questions=1,
            inputs=1,
            in_flight=self._in_flight,
        )

    def on_refusal(self, error: TidegateError, _request_id: str) -> None:
        self.refused.append(error)

    async def ask(
        self,
        surface: Surface,
        dialect: Dialect,
        _request_id: str,
        _scope: Scope,
        _receive: Receive,
        send: Send,
    ) -> None:
        assert (surface, dialect) == ("chat", "openai")
        await self._handler(send)


async def well(send: Send) -> None:
    await send_whole(send, 200, b"{}")


def app(
    handler: Handler = well, *, in_flight: int = 10, is_ready: bool = True
) -> tuple[DataApp, MemoryLog, Scripted]:
    log = MemoryLog()
    surfaces = Scripted(handler, in_flight)
    health = Health(lambda: Readiness(is_ready, {"journal": "ok"}))
    served = DataApp(
        cast("Surfaces", surfaces),
        cast("Messages", surfaces),
        cast("PassedPaths", surfaces),
        cast("FeedbackIntake", surfaces),
        cast("ExchangePaths", surfaces),
        health,
        SystemIds(),
        log,
    )
    return served, log, surfaces


def code(sent: Sent) -> str:
    return str(json.loads(sent.body)["error"]["code"])


async def test_a_fault_of_ours_is_500_and_its_place_is_logged_without_its_words() -> None:
    async def crash(_send: Send) -> None:
        raise ValueError("my-secret text of a request")

    served, log, _ = app(crash)
    sent = await ask(served, scope(CHAT, "POST"))
    assert (sent.status, code(sent)) == (500, "internal")
    assert sent.headers[b"x-request-id"]
    [(name, fields)] = log.events
    assert name == "request.crashed"
    assert str(fields["error"]).startswith("ValueError in ")
    assert "my-secret" not in str(fields) + sent.body.decode()


async def test_an_expected_error_is_answered_in_the_dialect_with_an_id() -> None:
    async def refuse(_send: Send) -> None:
        raise InvalidRequest("no", param="n")

    served, log, _ = app(refuse)
    sent = await ask(served, scope(CHAT, "POST"))
    assert sent.status == 400
    assert json.loads(sent.body)["error"]["param"] == "n"
    assert sent.headers[b"x-request-id"]
    assert not log.events


@pytest.mark.parametrize("error", [ClientLeft(), asyncio.CancelledError()])
async def test_who_has_left_is_answered_nothing(error: BaseException) -> None:
    async def leave(_send: Send) -> None:
        raise error

    served, log, _ = app(leave)

    async def send(_message: object) -> None:
        raise AssertionError

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    await served(scope(CHAT, "POST"), receive, send)
    assert (served.in_flight, list(log.events)) == (0, [])


async def test_beyond_the_limit_requests_are_refused_and_counted() -> None:
    began, may_end = asyncio.Event(), asyncio.Event()

    async def wait(send: Send) -> None:
        began.set()
        await may_end.wait()
        await well(send)

    served, _, surfaces = app(wait, in_flight=1)
    first = asyncio.create_task(ask(served, scope(CHAT, "POST")))
    await began.wait()
    second = await ask(served, scope(CHAT, "POST"))
    may_end.set()
    assert (second.status, code(second)) == (503, "overloaded")
    assert second.headers[b"retry-after"] == b"1"
    assert len(surfaces.refused) == 1
    assert (await first).status == 200
    assert served.in_flight == 0


async def test_probes_tell_whether_the_node_is_ready() -> None:
    for is_ready, status, word in ((True, 200, "ok"), (False, 503, "not ready")):
        served, _, _ = app(is_ready=is_ready)
        sent = await ask(served, scope("/readyz"))
        assert (sent.status, json.loads(sent.body)["status"]) == (status, word)
        assert (await ask(served, scope("/livez"))).status == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "GET", 404), (CHAT, "GET", 405), ("/livez", "POST", 405), ("/v1/models", "POST", 405)],
)
async def test_what_is_not_served_is_refused_by_path_and_by_method(
    path: str, method: str, status: int
) -> None:
    served, _, _ = app()
    sent = await ask(served, scope(path, method))
    assert (sent.status, code(sent)) == (status, "unknown_url")
