import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.unit.api.asgi import Sent, ask, scope
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.api.admin import AdminApp
from tidegate.domain.record import Record
from tidegate.errors import BundleError, ConfigError, StateError, TidegateError

TOKEN = "secret-token"
BEARER = {b"authorization": b"Bearer " + TOKEN.encode()}


def admin(
    reload: Callable[[], Mapping[str, object]] = lambda: {"generation": 2},
    told: Callable[[], Mapping[str, object]] = lambda: {"generation": 1},
    log: MemoryLog | None = None,
) -> AdminApp:
    async def reloading() -> Mapping[str, object]:
        return reload()

    async def find(_request_id: str) -> Record | None:
        return None

    async def metrics() -> tuple[bytes, str]:
        return b"up 1\n", "text/plain; version=0.0.4; charset=utf-8"

    async def status() -> Mapping[str, object]:
        return told()

    return AdminApp(
        token=TOKEN,
        metrics=metrics,
        openapi=lambda: b'{"openapi":"3.1.0"}',
        reload=reloading,
        status=status,
        find=find,
        request_id=lambda: "req-1",
        log=log or MemoryLog(),
    )


async def called(
    path: str,
    method: str = "GET",
    headers: Mapping[bytes, bytes] = BEARER,
    app: AdminApp | None = None,
) -> Sent:
    return await ask(app or admin(), scope(path, method, headers))


def code(sent: Sent) -> str:
    return str(json.loads(sent.body)["error"]["code"])


PATHS = (
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/admin/status"),
    ("POST", "/admin/reload"),
)


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_the_token_opens_every_path(method: str, path: str) -> None:
    assert (await called(path, method)).status == 200


@pytest.mark.parametrize("path", [*(path for _, path in PATHS), "/admin/records/x", "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer wrong"},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Bearer secret-toke"},
        {b"authorization": b"Bearer secret-token-"},
        {b"authorization": b"Basic secret-token"},
        {b"authorization": b"secret-token"},
        {b"authorization": "Bearer sécret".encode("latin-1")},
        {b"authorization": b"Bearer \xff\xfe"},
    ],
)
async def test_without_the_token_nothing_is_told(path: str, headers: dict[bytes, bytes]) -> None:
    sent = await called(path, headers=headers)
    assert (sent.status, code(sent)) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:4001", "127.8.8.8:1", "localhost", "LOCALHOST:80", "[::1]", "[::1]:9"],
)
async def test_a_loopback_name_is_let_in(host: str) -> None:
    sent = await called("/metrics", headers={**BEARER, b"host": host.encode()})
    assert sent.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "127.0.0.1.example.com",
        "localhost.example.com:80",
        "example.com:127",
        "x@localhost",
        "localhost:80:80",
        "[::1",
        "::1",
        "[::2]",
        "0.0.0.0",
        "128.0.0.1",
        "127.0.0.1:",
        "localhost/..",
        "localhost, example.com",
    ],
)
async def test_any_other_host_is_refused_even_with_the_token(host: str) -> None:
    sent = await called("/metrics", headers={**BEARER, b"host": host.encode()})
    assert (sent.status, code(sent)) == (403, "forbidden")


@pytest.mark.parametrize("origin", ["http://localhost", "null", "", "https://example.com"])
async def test_a_web_page_is_refused_even_with_the_token(origin: str) -> None:
    sent = await called("/metrics", headers={**BEARER, b"origin": origin.encode()})
    assert (sent.status, code(sent)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/metrics", b"GET"),
        ("DELETE", "/admin/records/x", b"GET"),
        ("GET", "/admin/reload", b"POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_one(method: str, path: str, allowed: bytes) -> None:
    sent = await called(path, method)
    assert (sent.status, sent.headers[b"allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "/admin", "/admin/", "/metrics/", "/v1/models", "//metrics"])
async def test_an_unknown_path_is_404(path: str) -> None:
    assert (await called(path)).status == 404


@pytest.mark.parametrize("name", ["x", "", "a/b", "a\x00b", "x" * 10_000])
async def test_an_unknown_record_is_404(name: str) -> None:
    sent = await called(f"/admin/records/{name}")
    assert (sent.status, code(sent)) == (404, "record_not_found")


@pytest.mark.parametrize(
    "error", [ConfigError("line 3"), BundleError("line 3"), StateError("line 3")]
)
async def test_a_refused_configuration_is_422_with_the_reason(error: TidegateError) -> None:
    def refuse() -> Mapping[str, object]:
        raise error

    sent = await called("/admin/reload", "POST", app=admin(refuse))
    assert (sent.status, code(sent)) == (422, "invalid_config")
    assert b"line 3" in sent.body


async def test_a_ledger_that_cannot_be_read_is_a_fault_of_the_node() -> None:
    async def find(_request_id: str) -> Record | None:
        raise StateError("the disk is gone")

    sent = await called("/admin/records/x", app=replace(admin(), find=find))
    assert sent.status == 500


async def test_metrics_come_with_their_own_content_type() -> None:
    sent = await called("/metrics")
    assert sent.headers[b"content-type"].startswith(b"text/plain; version=0.0.4")


async def test_errors_carry_an_id_of_the_node() -> None:
    assert (await called("/nowhere")).headers[b"x-request-id"] == b"req-1"


async def test_a_fault_of_ours_is_a_500_in_json_with_its_id_and_a_line_in_the_log() -> None:
    log = MemoryLog()

    def breaks() -> Mapping[str, object]:
        raise ZeroDivisionError("a secret")

    sent = await called("/admin/status", app=admin(told=breaks, log=log))

    assert (sent.status, code(sent)) == (500, "internal")
    assert sent.headers[b"content-type"] == b"application/json"
    assert sent.headers[b"x-request-id"] == b"req-1"
    assert b"secret" not in sent.body
    assert [name for name, _ in log.events] == ["admin.crashed"]
    fields = dict(log.events[0][1])
    assert fields["request_id"] == "req-1"
    assert "ZeroDivisionError in " in str(fields["error"])
    assert "secret" not in str(fields)
