"""A new configuration under load: swapped whole, refused whole, and never at a request's cost."""

import asyncio

from tests.contract.servers import Turn
from tests.e2e.bundle import task
from tests.e2e.far import DONE, FINISH, ROLE, delta
from tests.e2e.harness import Config, Got, chat_body, running_gateway, upstream
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until
from tidegate.adapters.stores.key_file import KeyFile

CLIENTS = 10
REQUESTS_EACH = 30


def to(url: str, **rest: object) -> Config:
    return {
        "upstreams": [upstream("far", url)],
        "routes": [{"models": ["*"], "upstreams": ["far"]}],
        **rest,
    }


async def test_no_request_fails_while_the_configuration_changes_under_load() -> None:
    async with (
        scripted() as one,
        scripted() as other,
        running_gateway(to(one.served.url)) as gateway,
    ):

        async def client() -> list[Got]:
            return [await gateway.chat(stream=bool(i % 2)) for i in range(REQUESTS_EACH)]

        clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
        for number in range(2, 6):
            await gateway.records(number * 20)
            side = other if number % 2 == 0 else one
            assert (await gateway.reload(to(side.served.url))).json()["generation"] == number
        got = [answer for answers in await asyncio.gather(*clients) for answer in answers]
        records = await gateway.records(CLIENTS * REQUESTS_EACH)

    assert {answer.status for answer in got} == {200}
    assert {(record.status, record.error) for record in records} == {(200, None)}
    assert {record.generation for record in records} == {1, 2, 3, 4, 5}
    assert len({record.request_id for record in records}) == CLIENTS * REQUESTS_EACH
    assert one.calls + other.calls == CLIENTS * REQUESTS_EACH


async def test_a_request_keeps_the_generation_that_it_began_with() -> None:
    go_on = asyncio.Event()

    async def waits(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(ROLE + delta("Hi"))
        await go_on.wait()
        await turn.chunk(FINISH + DONE)
        await turn.end_stream()

    async with (
        scripted() as old,
        scripted() as new,
        running_gateway(to(old.served.url)) as gateway,
    ):
        old.script = waits
        async with gateway.opened("chat", chat_body(stream=True)) as response:
            await response.content.readuntil(delta("Hi"))
            assert (await gateway.reload(to(new.served.url))).status == 200
            after = await gateway.chat()
            go_on.set()
            rest = await response.content.read()
        records = await gateway.records(2)

    assert rest.endswith(DONE)
    assert after.status == 200
    assert new.calls == 1
    assert sorted(record.generation for record in records) == [1, 2]


async def test_an_upstream_that_was_removed_is_closed_after_its_last_request() -> None:
    go_on = asyncio.Event()

    async def waits(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(ROLE + delta("Hi"))
        await go_on.wait()
        await turn.chunk(FINISH + DONE)
        await turn.end_stream()
        await turn.wait_for_client_to_leave()

    async with (
        scripted() as old,
        scripted() as new,
        running_gateway(to(old.served.url)) as gateway,
    ):
        old.script = waits
        async with gateway.opened("chat", chat_body(stream=True)) as response:
            await response.content.readuntil(delta("Hi"))
            # The second generation shares the upstream with the first and ends before it.
            assert (await gateway.reload(to(old.served.url))).status == 200
            assert (await gateway.reload(to(new.served.url))).status == 200
            await gateway.chat()
            assert not old.served.left.is_set()
            go_on.set()
            rest = await response.content.read()

        assert rest.endswith(DONE)
        await until(old.served.left.is_set)
        assert new.calls == 1


async def test_reloads_that_come_at_once_are_done_one_after_another() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        node = gateway.node
        told = await asyncio.gather(*(node.reload(gateway.reread) for _ in range(5)))

        assert [one["generation"] for one in told] == [2, 3, 4, 5, 6]
        assert (await gateway.chat()).status == 200
        assert (await gateway.last_record()).generation == 6
        assert node.generations.in_flight() == 0


async def test_a_broken_file_changes_nothing_and_is_told() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        gateway.config_file.write_text("routes:\n  - models: [a]\n    upstream: [far]\n")
        refused = await gateway.admin("/admin/reload", method="POST")
        status = (await gateway.admin("/admin/status")).json()
        ready = await gateway.send("/readyz")
        answer = await gateway.chat()

        assert refused.status == 422
        assert "tidegate.yaml:3" in refused.json()["error"]["message"]
        assert "upstreams" in refused.json()["error"]["message"]
        assert "tidegate.yaml:3" in status["reload_error"]
        assert status["generation"] == 1
        assert ready.json()["parts"]["config"] != "ok"
        assert answer.status == 200

        mended = await gateway.reload(to(far.served.url))
        status = (await gateway.admin("/admin/status")).json()

        assert mended.json()["generation"] == 2
        assert status["reload_error"] is None


async def test_a_refused_reload_does_not_hide_a_revoked_key() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        key = gateway.new_key()
        rows = gateway.node.parts.keys.load().rows
        KeyFile(gateway.state / "keys.json", gateway.state / "pepper").revoke(
            rows[-1].identity.key_id, now=0.0
        )
        gone = {"support": task(bundle_version="1-0a1b2c3d4e5f")}
        assert (await gateway.reload(to(far.served.url, tasks=gone))).status == 422

        async def is_refused() -> bool:
            return (await gateway.send("chat", chat_body(), key=key)).status == 401

        assert await until(is_refused)


async def test_a_file_that_is_gone_changes_nothing() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        gateway.config_file.unlink()

        assert (await gateway.admin("/admin/reload", method="POST")).status == 422
        assert (await gateway.chat()).status == 200


async def test_damaged_keys_leave_the_configuration_and_the_keys_as_they_were() -> None:
    async with (
        scripted() as far,
        scripted() as new,
        running_gateway(to(far.served.url)) as gateway,
    ):
        gateway.node.parts.paths.keys.write_text("{")

        refused = await gateway.reload(to(new.served.url))

        assert refused.status >= 400
        assert "keys.json" in (await gateway.admin("/admin/status")).json()["reload_error"]
        assert (await gateway.chat()).status == 200
        assert (far.calls, new.calls) == (1, 0)


async def test_keys_of_a_tenant_that_is_gone_are_refused_at_once() -> None:
    async with scripted() as far:
        config = to(far.served.url)
        async with running_gateway(config, tenants=("default", "acme")) as gateway:
            key = gateway.new_key("acme")
            assert (await gateway.send("chat", chat_body(), key=key)).status == 200

            await gateway.reload(config | {"tenants": [{"name": "default"}]})

            assert (await gateway.send("chat", chat_body(), key=key)).status == 401
            assert (await gateway.chat()).status == 200


async def test_a_revoked_key_is_followed_without_a_reload() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        key = gateway.new_key()
        rows = gateway.node.parts.keys.load().rows
        gateway.node.parts.keys.revoke(rows[-1].identity.key_id, now=0.0)

        async def is_refused() -> bool:
            return (await gateway.send("chat", chat_body(), key=key)).status == 401

        assert await until(is_refused)


async def test_what_needs_a_restart_is_named() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        limits = {"head_s": 3, "cache_bytes": 1000, "body_s": 3}
        changed = to(far.served.url, encoder={"threads": 2}, log={"format": "text"}, limits=limits)

        told = (await gateway.reload(changed)).json()

    assert told["needs_restart"] == [
        "encoder",
        "log_format",
        "limits.head_s",
        "limits.cache_bytes",
    ]


async def test_limits_change_without_a_restart() -> None:
    async with scripted() as far, running_gateway(to(far.served.url)) as gateway:
        assert (await gateway.chat("x" * 2000)).status == 200

        await gateway.reload(to(far.served.url, limits={"body_bytes": 1024}))

        assert (await gateway.chat("x" * 2000)).status == 413
