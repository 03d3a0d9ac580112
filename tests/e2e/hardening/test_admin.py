import asyncio
import re
import stat
from pathlib import Path

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import Gateway, chat_body, forward_to, running_gateway
from tests.unit.api.raw import exchange, request
from tidegate.domain.record import Record

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = ("/metrics", "/openapi.json", "/admin/status", "/admin/reload", "/admin/records/x")
LABELS = {
    *("surface", "source", "tier", "outcome", "status", "upstream", "direction", "estimated"),
    *("state", "le", "phase", "task", "why", "error_type", "model"),
    *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"),
    "gen_ai_token_type",
    *("version", "node", "region", "zone"),
}


async def series(gateway: Gateway) -> dict[str, float]:
    """Give every sample of `/metrics` by name and labels."""
    text = (await gateway.admin("/metrics")).body.decode()
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_told_without_the_token(gateway: Gateway, path: str) -> None:
    method = "POST" if path == "/admin/reload" else "GET"
    for token in ("", "x", gateway.admin_token[:-1], gateway.admin_token + "0", gateway.key):
        answer = await gateway.admin(path, method=method, token=token)
        assert (answer.status, answer.code) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", PATHS)
async def test_no_admin_path_is_on_the_data_listener(gateway: Gateway, path: str) -> None:
    answer = await gateway.send(path, key=gateway.admin_token)
    assert answer.status == 404


async def test_no_surface_is_on_the_admin_listener(gateway: Gateway) -> None:
    for path in ("/v1/models", "/v1/chat/completions", "/livez", "/readyz"):
        assert (await gateway.admin(path)).status == 404


@pytest.mark.parametrize("name", ["host: attacker.example", "origin: http://127.0.0.1:4001"])
async def test_a_web_page_cannot_get_in_by_a_name_of_its_own(gateway: Gateway, name: str) -> None:
    assert gateway.node.admin_port is not None
    token = f"authorization: Bearer {gateway.admin_token}"
    own = "" if name.startswith("host") else "host: localhost\r\n"
    sent = request("/metrics", None, token, name).replace(b"host: x\r\n", own.encode())
    assert (await exchange(gateway.node.admin_port, sent)).status == 403


async def test_a_second_host_header_does_not_hide_the_first(gateway: Gateway) -> None:
    assert gateway.node.admin_port is not None
    token = f"authorization: Bearer {gateway.admin_token}"
    sent = request("/metrics", None, token, "host: localhost")
    assert (await exchange(gateway.node.admin_port, sent)).status == 400


async def test_the_token_is_in_a_file_for_its_owner_alone(gateway: Gateway) -> None:
    paths = gateway.node.parts.paths
    assert stat.S_IMODE(paths.admin_token.stat().st_mode) == 0o600
    assert paths.admin_address.read_text() == f"127.0.0.1 {gateway.node.admin_port}\n"


async def test_metrics_are_prometheus_text_with_closed_labels(gateway: Gateway) -> None:
    await gateway.chat()
    await gateway.send("chat", b"{}")
    answer = await gateway.admin("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert {"tidegate_requests", "tidegate_refused_requests"} <= {one.name for one in families}
    labels = {name for one in families for sample in one.samples for name in sample.labels}
    assert labels <= LABELS
    text = answer.body.decode()
    assert "default" not in text
    assert gateway.key not in text


async def test_what_clients_make_up_makes_no_new_series(gateway: Gateway) -> None:
    async def made_up(number: int) -> None:
        headers = {"x-request-id": f"id-{number}"}
        answer = await gateway.send(
            "chat", {**chat_body(), "model": f"made-up-{number}"}, headers=headers
        )
        assert answer.status == 404

    async def unknown_path(number: int) -> None:
        assert (await gateway.send(f"/v1/made-up-{number}")).status == 404

    await made_up(0)
    await unknown_path(0)
    before = set(await series(gateway))
    for first in range(1, 1000, 50):
        await asyncio.gather(*(made_up(number) for number in range(first, first + 50)))
    await asyncio.gather(*(unknown_path(number) for number in range(20)))
    assert set(await series(gateway)) == before


async def test_a_request_is_counted_once(gateway: Gateway) -> None:
    def total(samples: dict[str, float]) -> float:
        return sum(value for name, value in samples.items() if "tidegate_requests_total" in name)

    before = total(await series(gateway))
    await gateway.chat()
    assert total(await series(gateway)) == before + 1


async def test_a_record_is_found_by_the_id_of_its_answer(gateway: Gateway) -> None:
    answered = await gateway.chat("my-secret words")
    found = await gateway.admin(f"/admin/records/{answered.request_id}")
    record = msgspec.json.decode(found.body, type=Record)
    assert (record.request_id, record.surface, record.status) == (answered.request_id, "chat", 200)
    assert b"my-secret" not in found.body


@pytest.mark.parametrize("name", ["nobody", "%00", "'; DROP TABLE records; --", "%F0%9F%8C%8A"])
async def test_a_record_that_is_not_there_is_404(gateway: Gateway, name: str) -> None:
    answer = await gateway.admin(f"/admin/records/{name}")
    assert (answer.status, answer.code) == (404, "record_not_found")


async def test_the_status_tells_the_generation_and_no_secret(gateway: Gateway) -> None:
    answer = await gateway.admin("/admin/status")
    told = answer.json()
    assert (told["generation"], told["reload_error"], told["in_flight"]) == (1, None, 0)
    for secret in (gateway.key, gateway.admin_token):
        assert secret not in answer.body.decode()


async def test_the_description_is_served(gateway: Gateway) -> None:
    assert (await gateway.admin("/openapi.json")).json()["openapi"] == "3.1.0"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_need_no_key(gateway: Gateway, path: str, method: str) -> None:
    answer = await exchange(gateway.node.port, request(path, method=method), method=method)
    assert answer.status == 200


async def test_probes_tell_no_more_than_words(gateway: Gateway) -> None:
    answer = await gateway.send("/readyz")
    assert answer.json()["status"] == "ok"
    assert not re.search(r"/|127\.0", answer.body.decode())


async def test_a_reload_that_is_refused_says_why_and_changes_nothing() -> None:
    async with running_gateway() as gateway:
        answer = await gateway.reload({"limits": {"body_byte": 5}})
        assert (answer.status, answer.code) == (422, "invalid_config")
        assert "body_bytes" in answer.json()["error"]["message"]
        told = (await gateway.admin("/admin/status")).json()
        assert told["generation"] == 1
        assert "body_byte" in told["reload_error"]
        assert (await gateway.reload({})).json()["generation"] == 2
        assert (await gateway.admin("/admin/status")).json()["reload_error"] is None


async def test_the_admin_listener_may_be_a_socket_for_its_owner_alone() -> None:
    config = {
        **forward_to("http://127.0.0.1:9/v1"),
        "listeners": {"data": {"port": 0}, "admin": {"unix": "admin.sock"}},
    }
    async with running_gateway(config) as gateway:
        path = gateway.folder / "admin.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert gateway.node.admin_port is None
        assert gateway.node.parts.paths.admin_address.read_text().startswith("unix ")
        assert await _status_by_socket(path, gateway.admin_token) == 200
        assert await _status_by_socket(path, "wrong") == 401


async def _status_by_socket(path: Path, token: str) -> int:
    connector = aiohttp.UnixConnector(str(path))
    headers = {"authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        session.get("http://localhost/admin/status") as answer,
    ):
        return answer.status
