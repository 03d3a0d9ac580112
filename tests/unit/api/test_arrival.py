import asyncio

import pytest

from tests.unit.api.asgi import scope
from tidegate.api.arrival import (
    Arrived,
    ClientLeft,
    Headers,
    Limits,
    Message,
    Receive,
    Scope,
    context,
    read_body,
)
from tidegate.domain.identity import DEFAULT_SCOPES, Identity, Role
from tidegate.domain.request import Context
from tidegate.errors import BodyTooLarge, InvalidRequest, RequestTooSlow

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def limits(body_bytes: int = 1024, body_s: float = 10.0) -> Limits:
    return Limits(
        body_bytes,
        body_s,
        upload_bytes=body_bytes,
        upload_s=body_s,
        questions=1,
        inputs=1,
        in_flight=1,
    )


def arriving(*pieces: bytes, ends: bool = True) -> Receive:
    """Deliver a body in pieces; without an end the client leaves instead."""
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": not ends or number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def about(headers: dict[bytes, bytes], role: Role = "client") -> Context:
    return gathered(scope("/v1/chat/completions", "POST", headers), role)


def gathered(given: Scope, role: Role = "client") -> Context:
    identity = Identity("acme", "k-1", role, frozenset(DEFAULT_SCOPES))
    arrived = Arrived("req-1", at=1000.0, started=5.0)
    return context(given, Headers.of(given), identity, arrived=arrived, parse_s=0.001)


@pytest.mark.parametrize("pieces", [(b"{}",), (b"", b"{", b"}"), (b"{}", b"")])
async def test_the_body_is_joined_from_its_pieces(pieces: tuple[bytes, ...]) -> None:
    assert await read_body(arriving(*pieces), Headers({}), limits()) == b"{}"


async def test_a_body_of_just_the_limit_is_taken() -> None:
    assert len(await read_body(arriving(bytes(1024)), Headers({}), limits())) == 1024


async def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(never, Headers({b"content-length": b"1025"}), limits())


@pytest.mark.parametrize(
    "pieces", [(bytes(1025),), (bytes(1000), bytes(25)), (b"",) * 9 + (bytes(1025),)]
)
async def test_a_body_that_grows_too_large_is_refused(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(arriving(*pieces), Headers({}), limits())


async def test_no_more_than_the_limit_is_read() -> None:
    read = 0

    async def endless() -> Message:
        nonlocal read
        read += 512
        return {"type": "http.request", "body": bytes(512), "more_body": True}

    with pytest.raises(BodyTooLarge):
        await read_body(endless, Headers({}), limits())
    assert read <= 1024 + 512


async def test_a_body_that_does_not_come_is_too_slow() -> None:
    with pytest.raises(RequestTooSlow) as caught:
        await read_body(never, Headers({}), limits(body_s=0.01))
    assert caught.value.part == "body"


@pytest.mark.parametrize("pieces", [(), (b"{",)])
async def test_a_client_that_leaves_before_its_body_is_no_request(
    pieces: tuple[bytes, ...],
) -> None:
    with pytest.raises(ClientLeft):
        await read_body(arriving(*pieces, ends=False), Headers({}), limits())


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"deflate, gzip"])
async def test_a_compressed_body_is_refused_by_name(encoding: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Compressed") as caught:
        await read_body(never, Headers({b"content-encoding": encoding}), limits())
    assert caught.value.code == "unsupported_encoding"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({b"authorization": b"Bearer tg-a"}, "tg-a"),
        ({b"authorization": b"bearer  tg-a "}, "tg-a"),
        ({b"authorization": b"Basic tg-a"}, None),
        ({b"authorization": b"Bearer"}, None),
        ({b"authorization": b"Bearer "}, None),
        ({b"authorization": b"tg-a"}, None),
        ({b"x-api-key": b"tg-a"}, "tg-a"),
        ({b"authorization": b"Bearer tg-a", b"x-api-key": b"tg-b"}, "tg-a"),
        ({b"authorization": b"Bearer sk-theirs", b"x-tidegate-key": b"tg-a"}, "tg-a"),
        ({b"authorization": b"Bearer \xe9"}, "\xe9"),
    ],
)
def test_the_key_is_found_where_clients_put_it(
    headers: dict[bytes, bytes], key: str | None
) -> None:
    assert (Headers(headers).key() or None) == key


def test_a_credential_for_the_upstream_needs_a_key_of_ours_beside_it() -> None:
    theirs = {b"authorization": b"Bearer sk-theirs"}
    assert Headers(theirs).upstream_credential() is None
    assert Headers({**theirs, b"x-tidegate-key": b"tg"}).upstream_credential() == "sk-theirs"


def test_what_came_with_the_request_is_kept() -> None:
    given = about({b"x-request-id": b"mine-1", b"traceparent": TRACE.encode()})
    assert (given.request_id, given.client_request_id) == ("req-1", "mine-1")
    assert (given.traceparent, given.client_address) == (TRACE, "192.0.2.1")
    assert (given.received_at, given.started, given.parse_s) == (1000.0, 5.0, 0.001)


@pytest.mark.parametrize("value", [b"", b"a b", b"\xff", b"x" * 129, b"a\tb"])
def test_a_client_id_that_is_not_short_visible_text_is_ignored(value: bytes) -> None:
    assert about({b"x-request-id": value}).client_request_id is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        TRACE.upper(),
        TRACE + "-more",
        TRACE.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_a_trace_context_that_is_none_is_ignored(value: str) -> None:
    assert about({b"traceparent": value.encode()}).traceparent is None


def test_what_vendors_noted_goes_with_a_trace_context_and_never_alone() -> None:
    noted = (b"tracestate", b"a=1"), (b"tracestate", b"b=2")
    given = scope("/v1/chat/completions", "POST", {b"traceparent": TRACE.encode()})
    given["headers"] += noted
    assert gathered(given).tracestate == "a=1,b=2"
    assert about({b"tracestate": b"a=1"}).tracestate is None
    assert about({b"traceparent": b"none", b"tracestate": b"a=1"}).tracestate is None


def test_only_a_node_may_bring_a_deadline() -> None:
    headers = {b"x-request-timeout-ms": b"1500"}
    assert about(headers).allowed_s is None
    assert about(headers, role="node").allowed_s == 1.5


@pytest.mark.parametrize("value", [b"", b"0", b"-1", b"1.5", b"soon", b"9" * 40, b"1e3"])
def test_a_deadline_that_is_no_number_is_ignored(value: bytes) -> None:
    assert about({b"x-request-timeout-ms": value}, role="node").allowed_s is None
