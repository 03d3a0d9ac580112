"""Sends the demo's requests over real sockets, in order, a few at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.upstream_settings import EnvironmentProxies, UpstreamSettings
from tidegate.demo.script import Ask
from tidegate.ports.http import Http

CLIENTS = 4
_LIMIT_BYTES = 1 << 20
_OK = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What one request got back, as the client saw it."""

    ask: Ask
    status: int
    source: str
    duration_s: float
    label: str | None
    """The label that came back, for a decision."""
    is_whole: bool
    """A stream ended with `[DONE]`, anything else with its last byte."""


class _Choice(msgspec.Struct):
    type: str
    choice: str | bool | None = None


class _Decisions(msgspec.Struct):
    answers: list[_Choice]


async def play(
    base_url: str,
    key: str,
    asks: Sequence[Ask],
    *,
    before: Callable[[int], Awaitable[None]],
    after: Callable[[], None],
) -> list[Told]:
    """Send everything; `before` is awaited with the position of each request that starts."""
    told: list[Told] = []
    waiting = iter(enumerate(asks))
    gate = asyncio.Lock()

    async def client() -> None:
        while True:
            async with gate:
                following = next(waiting, None)
                if following is None:
                    return
                await before(following[0])
            told.append(await _send(http, key, following[1]))
            after()

    http = HttptoolsClient(_settings(base_url), EnvironmentProxies())
    await http.open()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client())
    finally:
        await http.close()
    return told


def _settings(base_url: str) -> UpstreamSettings:
    """Describe the node as the client in front of it sees it."""
    return UpstreamSettings(
        name="node", base_url=base_url, tier="pop", region="demo", zone="demo", proxy="none"
    )


async def _send(http: Http, key: str, ask: Ask) -> Told:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    started = time.perf_counter()
    answer = await http.request("POST", ask.path, headers=headers, body=ask.body)
    body = await answer.read(_LIMIT_BYTES)
    return Told(
        ask=ask,
        status=answer.status,
        source=answer.headers.get("x-tidegate-source", "none"),
        duration_s=time.perf_counter() - started,
        label=_label(ask, answer.status, body),
        is_whole=ask.kind != "chat stream" or body.endswith(b"data: [DONE]\n\n"),
    )


def _label(ask: Ask, status: int, body: bytes) -> str | None:
    if ask.label is None or status != _OK:
        return None
    first = msgspec.json.decode(body, type=_Decisions).answers[0]
    return None if first.choice is None else str(first.choice)
