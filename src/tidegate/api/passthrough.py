"""Sounds, files and batches on the data listener: paths, limits, and answers as they come."""

import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from tidegate.api.arrival import (
    Arrived,
    Headers,
    Limits,
    Receive,
    Scope,
    Send,
    context,
    read_body,
)
from tidegate.api.intake import Intake
from tidegate.api.protocol import PROTOCOL_KEY, BoundedProtocol
from tidegate.api.respond import send_whole
from tidegate.domain.identity import Identity
from tidegate.domain.identity import Scope as KeyScope
from tidegate.domain.passed import Doing, Passed, PassedSurface
from tidegate.errors import (
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    TidegateError,
    UpstreamError,
)
from tidegate.gateway.passed_stream import PassedStream
from tidegate.gateway.passthrough import PassOn
from tidegate.wire.passed_objects import read_batch, read_speech, read_transcript, read_upload
from tidegate.wire.strict import check

_ID = r"(?P<id>[A-Za-z0-9_-]{1,128})"
_PATHS: Mapping[str, tuple[re.Pattern[str], tuple[str, ...]]] = {
    "speech": (re.compile(r"/v1/audio/speech"), ("POST",)),
    "transcript": (re.compile(r"/v1/audio/(transcriptions|translations)"), ("POST",)),
    "files": (re.compile(r"/v1/files"), ("GET", "POST")),
    "file": (re.compile(rf"/v1/files/{_ID}"), ("GET", "DELETE")),
    "content": (re.compile(rf"/v1/files/{_ID}/content"), ("GET",)),
    "batches": (re.compile(r"/v1/batches"), ("GET", "POST")),
    "batch": (re.compile(rf"/v1/batches/{_ID}"), ("GET",)),
    "cancel": (re.compile(rf"/v1/batches/{_ID}/cancel"), ("POST",)),
}
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,512}")
_OBJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_LISTED = 100
_USUAL = {"files": 100, "batches": 20}
_FILTERS = {"files": {"purpose": r"[a-z0-9_-]{1,64}", "order": "asc|desc"}, "batches": {}}


@dataclass(frozen=True, slots=True)
class Place:
    """A path that is passed on."""

    kind: str
    methods: tuple[str, ...]
    object_id: str

    @property
    def scope(self) -> KeyScope:
        """What a key needs."""
        return "audio" if self.kind in ("speech", "transcript") else "batches"


def place_of(path: str) -> Place | None:
    """Tell whether a path is one of these."""
    for kind, (pattern, methods) in _PATHS.items():
        if match := pattern.fullmatch(path):
            return Place(kind, methods, match.groupdict().get("id") or "")
    return None


@dataclass(frozen=True, slots=True)
class PassedPaths:
    """Serves them."""

    intake: Intake
    pass_on: PassOn

    async def serve(
        self, request_id: str, place: Place, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request."""
        try:
            passed, arrived, identity, headers = await self._take(request_id, place, scope, receive)
        except TidegateError as error:
            self.intake.on_refusal(error, request_id)
            raise
        parse_s = self.intake.clock.monotonic() - arrived.started
        about = context(scope, headers, identity, arrived=arrived, parse_s=parse_s)
        reply = await self.pass_on.answer(passed, about)
        out = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"x-request-id", request_id.encode()),
            (b"cache-control", b"no-store"),
        ]
        if reply.disposition is not None:
            out.append((b"content-disposition", reply.disposition.encode("latin-1")))
        if isinstance(reply.content, bytes):
            await send_whole(send, reply.status, reply.content, out)
        else:
            await _send_stream(send, reply.status, reply.content, out, scope)

    async def _take(
        self, request_id: str, place: Place, scope: Scope, receive: Receive
    ) -> tuple[Passed, Arrived, Identity, Headers]:
        """Read a request within the limits; that of a stranger is never read."""
        clock = self.intake.clock
        arrived = Arrived(request_id, clock.now(), clock.monotonic())
        headers = Headers.of(scope)
        identity = self.intake.identify(headers)
        if not identity.may(place.scope):
            raise Forbidden(f"This key has no scope `{place.scope}`.")
        limits = self.intake.limits()
        kind = headers.get(b"content-type") or ""
        if scope["method"] == "GET" or place.kind in ("file", "cancel"):
            await read_body(receive, headers, limits)
            return _bodiless(place, scope), arrived, identity, headers
        if place.kind in ("speech", "batches"):
            body = check(await read_body(receive, headers, limits))
            path = scope["path"].removeprefix("/v1")
            passed = read_batch(body) if place.kind == "batches" else read_speech(body, path)
            return passed, arrived, identity, headers
        if not _HEADER_VALUE.fullmatch(kind):
            raise InvalidRequest(
                "This path takes a form: `Content-Type: multipart/form-data; boundary=...`.",
                code="unsupported_content_type",
            )
        body = await read_body(receive, headers, _for_uploads(limits))
        if place.kind == "files":
            return read_upload(body, kind), arrived, identity, headers
        passed = read_transcript(body, kind, scope["path"].removeprefix("/v1"))
        return passed, arrived, identity, headers


def _bodiless(place: Place, scope: Scope) -> Passed:
    """Make a request about an object, or for a list."""
    surface: PassedSurface = "batches" if place.kind in ("batches", "batch", "cancel") else "files"
    method, path = scope["method"], scope["path"].removeprefix("/v1")
    if place.kind == surface:
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        return Passed(
            surface,
            "list",
            method,
            path,
            after=_after(query),
            limit=_limit(query, surface),
            filters=_filters(query, surface),
        )
    doing: Doing = (
        "delete" if method == "DELETE" else "cancel" if place.kind == "cancel" else "read"
    )
    return Passed(surface, doing, method, path, object_id=place.object_id)


def _filters(query: Mapping[str, str], surface: str) -> tuple[tuple[str, str], ...]:
    for name, form in _FILTERS[surface].items():
        if name in query and not re.fullmatch(form, query[name]):
            raise InvalidRequest(f"`{name}` is {query[name]!r}, which no list has.", param=name)
    return tuple((name, query[name]) for name in _FILTERS[surface] if name in query)


def _limit(query: Mapping[str, str], surface: str) -> int:
    text = query.get("limit", str(_USUAL[surface]))
    if not text.isdecimal() or int(text[:9]) < 1:
        raise InvalidRequest("`limit` takes a whole number from 1.", param="limit")
    return min(int(text[:9]), _MOST_LISTED)


def _after(query: Mapping[str, str]) -> str:
    after = query.get("after", "")
    if after and not _OBJECT_ID.fullmatch(after):
        raise InvalidRequest("`after` takes the id of an object.", param="after")
    return after


def _for_uploads(limits: Limits) -> Limits:
    return replace(limits, body_bytes=limits.upload_bytes, body_s=limits.upload_s)


async def _send_stream(
    send: Send, status: int, stream: PassedStream, headers: list[tuple[bytes, bytes]], scope: Scope
) -> None:
    """Send an answer as it comes; one that breaks is cut off, so that nobody takes it for whole."""
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        async with aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except (UpstreamError, DeadlineExceeded):
        connection = scope["state"].get(PROTOCOL_KEY)
        if isinstance(connection, BoundedProtocol):
            connection.dismiss()
    finally:
        await stream.close()
