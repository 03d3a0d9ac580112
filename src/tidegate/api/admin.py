"""The admin listener: metrics, records, reload, state of the node. Loopback or unix socket only.

Needs the admin token. `Host` and `Origin` are checked, so that a page in the operator's browser
cannot reach it by a name that resolves to loopback.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from tidegate.api.arrival import Headers, Receive, Scope, Send
from tidegate.api.crash import where
from tidegate.api.failures import failure
from tidegate.api.respond import JSON, send_whole
from tidegate.domain.record import Record
from tidegate.errors import (
    BundleError,
    ConfigError,
    Forbidden,
    StateError,
    TidegateError,
    Unauthenticated,
    UnknownPath,
)
from tidegate.ports.log import Log
from tidegate.wire.failures import error_body

_LOOPBACK = re.compile(
    r"(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE | re.ASCII
)
_RECORDS = "/admin/records/"
_NOT_ADMITTED = (
    "Missing or wrong admin token. Send `Authorization: Bearer TOKEN`; it stands in the file"
    " `admin.token` of the state directory."
)


class ReloadRefused(TidegateError):
    """The new configuration cannot be used; the old one stays in force."""


class RecordNotFound(TidegateError):
    """The ledger has no record of that id."""


@dataclass(frozen=True, slots=True)
class AdminApp:
    """The ASGI application that operators reach."""

    token: str
    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    """Gives the text and its content type."""
    openapi: Callable[[], bytes]
    reload: Callable[[], Awaitable[Mapping[str, object]]]
    """Loads the configuration anew; raises ConfigError and leaves the old one in force."""
    status: Callable[[], Awaitable[Mapping[str, object]]]
    find: Callable[[str], Awaitable[Record | None]]

    request_id: Callable[[], str]
    log: Log

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve one request; bodies are not read."""
        request_id = self.request_id()
        own = (b"x-request-id", request_id.encode())
        try:
            self._admit(Headers.of(scope), is_tcp=scope.get("client") is not None)
            await self._route(scope["method"], scope["path"], send)
        except ReloadRefused as error:
            body = error_body(str(error), type="invalid_request_error", code="invalid_config")
            await send_whole(send, 422, body, [JSON, own])
        except RecordNotFound as error:
            body = error_body(str(error), type="invalid_request_error", code="record_not_found")
            await send_whole(send, 404, body, [JSON, own])
        except Unauthenticated as error:
            body = error_body(_NOT_ADMITTED, type="invalid_request_error", code="invalid_api_key")
            await send_whole(send, 401, body, [JSON, own, *failure(error).headers])
        except TidegateError as error:
            found = failure(error)
            await send_whole(send, found.status, found.body, [JSON, own, *found.headers])
        except Exception as error:  # noqa: BLE001
            # The outer edge: operators need an answer most when something is broken.
            self.log.event("admin.crashed", request_id=request_id, error=where(error))
            body = error_body("Tidegate failed internally.", type="server_error", code="internal")
            await send_whole(send, 500, body, [JSON, own])

    def _admit(self, headers: Headers, *, is_tcp: bool) -> None:
        host = headers.get(b"host")
        if is_tcp and host and not _LOOPBACK.fullmatch(host):
            raise Forbidden("The admin listener is reached by a loopback address only.")
        if headers.get(b"origin") is not None:
            raise Forbidden("The admin listener takes no requests from web pages.")
        presented = headers.key() or ""
        if not hmac.compare_digest(presented.encode(), self.token.encode()):
            raise Unauthenticated

    async def _route(self, method: str, path: str, send: Send) -> None:
        match method, path:
            case "GET", "/metrics":
                text, content_type = await self.metrics()
                await send_whole(send, 200, text, [(b"content-type", content_type.encode())])
            case "GET", "/openapi.json":
                await send_whole(send, 200, self.openapi())
            case "GET", "/admin/status":
                await send_whole(send, 200, msgspec.json.encode(await self.status()))
            case "POST", "/admin/reload":
                await self._reload(send)
            case "GET", _ if path.startswith(_RECORDS):
                await self._record(path[len(_RECORDS) :], send)
            case _:
                raise UnknownPath(method, path, _allowed(path))

    async def _reload(self, send: Send) -> None:
        try:
            told = await self.reload()
        except (ConfigError, BundleError, StateError) as error:
            raise ReloadRefused(str(error)) from error
        await send_whole(send, 200, msgspec.json.encode(told))

    async def _record(self, request_id: str, send: Send) -> None:
        record = await self.find(request_id)
        if record is None:
            raise RecordNotFound(f"There is no record {request_id!r} in this node's ledger.")
        await send_whole(send, 200, msgspec.json.encode(record))


def _allowed(path: str) -> tuple[str, ...]:
    """Give the methods that a known path takes."""
    if path == "/admin/reload":
        return ("POST",)
    known = path in ("/metrics", "/openapi.json", "/admin/status") or path.startswith(_RECORDS)
    return ("GET",) if known else ()
