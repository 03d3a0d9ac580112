"""More connections than the node takes, through real sockets."""

import asyncio
import json
from contextlib import AsyncExitStack

import msgspec

from tests.contract.servers import Turn, serving
from tests.e2e.far import answers
from tests.e2e.harness import Gateway, chat_body, forward_to, running_gateway
from tests.e2e.waiting import until
from tests.unit.api.raw import Raw, connection, exchange, request
from tidegate.api.crowd import EXTRA

LIMIT = 4


def chat(gateway: Gateway) -> bytes:
    body = msgspec.json.encode(chat_body())
    return request("/v1/chat/completions", body, f"authorization: Bearer {gateway.key}")


async def test_beyond_the_limit_only_probes_are_answered_until_there_is_room() -> None:
    release = asyncio.Event()

    async def wait(turn: Turn) -> None:
        await release.wait()
        await answers(turn)

    async with serving(wait) as far:
        config = {**forward_to(far.url), "limits": {"connections": LIMIT}}
        async with running_gateway(config) as gateway, AsyncExitStack() as stack:
            busy = [await stack.enter_async_context(connection(gateway.node.port)) for _ in "1234"]
            for raw in busy:
                await raw.send(chat(gateway))
            await until(lambda: len(far.seen) == LIMIT)

            refused = await exchange(gateway.node.port, chat(gateway))
            assert (refused.status, refused.headers["connection"]) == (503, "close")
            assert json.loads(refused.body)["error"]["code"] == "overloaded"
            assert refused.headers["x-request-id"]
            assert int(refused.headers["retry-after"]) >= 1
            for probe in ("/livez", "/readyz"):
                answer = await exchange(gateway.node.port, request(probe))
                assert (answer.status, answer.headers["connection"]) == (200, "close")
            # Operators have a listener of their own.
            told = (await gateway.admin("/metrics")).body
            assert b'tidegate_refused_requests_total{status="503"} 1.0' in told
            assert ("request.refused", 503) in [
                (name, fields.get("status")) for name, fields in gateway.log.events
            ]

            release.set()
            assert {(await raw.answer()).status for raw in busy} == {200}
            # Those are idle now, so one of them makes room.
            assert (await exchange(gateway.node.port, chat(gateway))).status == 200


async def test_idle_connections_make_room_for_new_ones() -> None:
    async with serving(answers) as far:
        config = {**forward_to(far.url), "limits": {"connections": LIMIT}}
        async with running_gateway(config) as gateway, AsyncExitStack() as stack:
            idle: list[Raw] = []
            for _ in range(3 * LIMIT):
                raw = await stack.enter_async_context(connection(gateway.node.port))
                await raw.send(chat(gateway))
                assert (await raw.answer()).status == 200
                idle.append(raw)
            # The first of them was let go long ago.
            assert await idle[0].rest() == b""


async def test_connections_that_say_nothing_keep_no_probe_out() -> None:
    config = {"limits": {"connections": LIMIT}}
    async with running_gateway(config) as gateway, AsyncExitStack() as stack:
        for _ in range(LIMIT + EXTRA + 5):
            raw = await stack.enter_async_context(connection(gateway.node.port))
            await raw.send(b"GET /v1/models HTTP/1.1\r\n")
        for _ in range(3):
            assert (await exchange(gateway.node.port, request("/livez"))).status == 200
        assert (await gateway.admin("/admin/status")).status == 200
