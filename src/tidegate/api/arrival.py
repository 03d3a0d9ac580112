"""What arrived: the headers that this node listens to, and the body within its limits."""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.api.protocol import PROTOCOL_KEY, BoundedProtocol
from tidegate.api.trace_context import read_traceparent, read_tracestate
from tidegate.cache.exact import parse_cache_control
from tidegate.domain.identity import Identity
from tidegate.domain.request import Context
from tidegate.errors import BodyTooLarge, InvalidRequest, RequestTooSlow
from tidegate.resilience.deadline import parse_timeout_ms

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

KEY_HEADER = b"x-tidegate-key"
"""The gateway's key, for clients whose `Authorization` is the upstream's (`passthrough`)."""

REGION_KEY = "tidegate.region"
"""Of an ASGI scope: where the client is, as a trusted proxy says."""

_DIALECT_HEADERS = {name: name.encode() for name in ("anthropic-version", "anthropic-beta")}
"""Of the client's dialect: they go with the request where it is relayed."""

_HEADER_VALUE = re.compile(r"^[\x20-\x7e]{1,2048}$")

_VISIBLE = re.compile(r"^[\x21-\x7e]{1,128}$")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may send, see `limits` in the configuration."""

    body_bytes: int
    body_s: float
    upload_bytes: int
    upload_s: float
    questions: int
    inputs: int
    in_flight: int


class ClientLeft(Exception):
    """The client went away before its request was complete; nobody is left to answer."""


class Arrived(msgspec.Struct, frozen=True):
    """When a request came, and under which id."""

    request_id: str
    at: float
    """Seconds since the epoch."""
    started: float
    """Monotonic seconds."""


class Headers(msgspec.Struct, frozen=True):
    """Request headers by lower-case name; of repeated ones the last."""

    values: dict[bytes, bytes]

    @classmethod
    def of(cls, scope: Scope) -> "Headers":
        """Read them from an ASGI scope."""
        return cls(dict(scope["headers"]))

    def get(self, name: bytes) -> str | None:
        """Give one header as text."""
        value = self.values.get(name)
        return None if value is None else value.decode("latin-1")

    def key(self) -> str | None:
        """Give the API key that was presented: own header, bearer token, or `x-api-key`."""
        return self.get(KEY_HEADER) or self._bearer() or self.get(b"x-api-key")

    def upstream_credential(self) -> str | None:
        """Give the client's own upstream credential: its bearer token beside a key of ours."""
        return self._bearer() if KEY_HEADER in self.values else None

    def _bearer(self) -> str | None:
        value = self.values.get(b"authorization")
        if value is None or value[:7].lower() != b"bearer ":
            return None
        return value[7:].strip().decode("latin-1")


def context(
    scope: Scope,
    headers: Headers,
    identity: Identity,
    *,
    arrived: Arrived,
    parse_s: float,
) -> Context:
    """Gather what the stages may know beside the body."""
    client = scope.get("client")
    connection = connection_of(scope)
    is_node = identity.role == "node"
    parent = headers.get(b"traceparent")
    traceparent = None if parent is None else read_traceparent(parent)
    return Context(
        request_id=arrived.request_id,
        identity=identity,
        received_at=arrived.at,
        started=arrived.started,
        allowed_s=parse_timeout_ms(headers.get(b"x-request-timeout-ms")) if is_node else None,
        client_request_id=_matching(_VISIBLE, headers.get(b"x-request-id")),
        traceparent=traceparent,
        tracestate=_tracestate(scope, headers) if traceparent is not None else None,
        credential=headers.upstream_credential(),
        client_address=client[0] if client else None,
        client_rtt_s=None if connection is None else connection.client_rtt_s(),
        client_headers=_dialect_headers(headers),
        cache=parse_cache_control(headers.get(b"cache-control")),
        parse_s=parse_s,
        max_error=_max_error(headers.get(b"x-tidegate-max-error")),
        region=scope.get(REGION_KEY),
    )


def _max_error(value: str | None) -> float | None:
    """Read a share; anybody may ask for less error, so there is nothing to allow."""
    if value is None:
        return None
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0.0 <= share <= 1.0:
        raise InvalidRequest(
            f"`x-tidegate-max-error` is {value[:20]!r}; give a share from 0 to 1, such as 0.01.",
            param="x-tidegate-max-error",
        )
    return share


def _tracestate(scope: Scope, headers: Headers) -> str | None:
    """Read it from all its lines; of other headers only the last counts."""
    if b"tracestate" not in headers.values:
        return None
    lines = [value for name, value in scope["headers"] if name == b"tracestate"]
    return read_tracestate([line.decode("latin-1") for line in lines])


def _dialect_headers(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in _DIALECT_HEADERS.items():
        value = headers.get(key)
        if value and _HEADER_VALUE.match(value):
            found[name] = value
    return found


def connection_of(scope: Scope) -> BoundedProtocol | None:
    """Give the connection that a request came on; None where it came on none of ours."""
    found = scope["state"].get(PROTOCOL_KEY)
    return found if isinstance(found, BoundedProtocol) else None


async def read_body(
    receive: Receive, headers: Headers, limits: Limits, *, is_here: bool = False
) -> bytes:
    """Read the body; raises BodyTooLarge before reading more than the limit, RequestTooSlow.

    One that `is_here` to its end, as most are, needs no clock.
    """
    stated = headers.get(b"content-length")
    if stated is not None and int(stated) > limits.body_bytes:
        raise BodyTooLarge(limits.body_bytes)
    if b"content-encoding" in headers.values:
        raise InvalidRequest(
            "Compressed request bodies are not taken; send the JSON as it is.",
            code="unsupported_encoding",
        )
    if is_here:
        return await _collect(receive, limits.body_bytes)
    try:
        async with asyncio.timeout(limits.body_s):
            return await _collect(receive, limits.body_bytes)
    except TimeoutError as error:
        raise RequestTooSlow("body", limits.body_s) from error


async def _collect(receive: Receive, limit_bytes: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message["body"]
        if len(whole) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        return whole
    parts = bytearray()
    while True:
        if message["type"] != "http.request":
            raise ClientLeft
        parts += message.get("body", b"")
        if len(parts) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        if not message.get("more_body"):
            return bytes(parts)
        message = await receive()


def _matching(pattern: re.Pattern[str], value: str | None) -> str | None:
    """Give the value when it has the form that it should; anything else is ignored."""
    return value if value is not None and pattern.match(value) else None
