import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from tidegate.api.cycle import Cycle, encoded_head

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent, HTTPScope


class Wire(asyncio.Transport):
    """Notes what is written, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.written


def cycle(
    wire: Wire, *, method: str = "POST", version: str = "1.1", keep_alive: bool = True
) -> Cycle:
    return Cycle(
        cast("HTTPScope", {"type": "http", "method": method, "http_version": version}),
        wire,
        FlowControl(wire),
        [(b"date", b"today")],
        lambda: wire.written.append(b"told"),
        expect_100_continue=True,
        keep_alive=keep_alive,
    )


async def answer(one: Cycle, *pieces: bytes, status: int = 200, length: int | None = None) -> None:
    headers = [] if length is None else [(b"content-length", b"%d" % length)]
    await say(one, {"type": "http.response.start", "status": status, "headers": headers})
    for number, piece in enumerate(pieces, 1):
        more = number < len(pieces)
        await say(one, {"type": "http.response.body", "body": piece, "more_body": more})


async def say(one: Cycle, message: dict[str, object]) -> None:
    await one.send(cast("ASGISendEvent", message))


HEAD = b"HTTP/1.1 200 OK\r\ndate: today\r\n"


async def test_the_head_leaves_with_the_first_bytes_and_the_rest_as_it_comes() -> None:
    wire = Wire()
    await answer(cycle(wire), b"one", b"two", length=6)
    assert wire.written == [HEAD + b"content-length: 6\r\n\r\none", b"two", b"told"]


async def test_an_answer_of_unknown_length_is_chunked() -> None:
    wire = Wire()
    await answer(cycle(wire), b"one", b"")
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n"
    assert wire.written == [chunked, b"0\r\n\r\n", b"told"]


async def test_over_http_1_0_it_ends_with_the_connection() -> None:
    wire = Wire()
    await answer(cycle(wire, version="1.0", keep_alive=False), b"one", b"two")
    assert wire.written == [HEAD + b"connection: close\r\n\r\none", b"two", b"closed", b"told"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 204), ("POST", 304)])
async def test_an_answer_without_a_body_leaves_with_its_empty_end(method: str, status: int) -> None:
    wire = Wire()
    await answer(cycle(wire, method=method), b"", status=status)
    [head, told] = wire.written
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert head.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert told == b"told"


async def test_a_head_request_gets_the_length_but_no_body() -> None:
    wire = Wire()
    await answer(cycle(wire, method="HEAD"), b"body", length=4)
    assert wire.written == [HEAD + b"content-length: 4\r\n\r\n", b"told"]


@pytest.mark.parametrize("pieces", [(b"too long",), (b"short",), (b"o", b"")])
async def test_a_body_that_is_not_as_long_as_announced_is_an_error(
    pieces: tuple[bytes, ...],
) -> None:
    with pytest.raises(RuntimeError, match="announced"):
        await answer(cycle(Wire()), *pieces, length=6)


async def test_what_comes_out_of_turn_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="out of turn"):
        await say(cycle(Wire()), {"type": "http.response.body", "body": b"x"})


async def test_nothing_is_sent_to_a_client_that_has_left() -> None:
    wire = Wire()
    one = cycle(wire)
    one.disconnected = True
    await answer(one, b"late", length=4)
    assert wire.written == []


async def test_a_client_that_waits_for_100_is_told_at_once() -> None:
    wire = Wire()
    one = cycle(wire)
    one.more_body = False
    one.message_event.set()
    await one.receive()
    assert wire.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


@pytest.mark.parametrize(
    "header",
    [(b"a", b"b\r\nc: d"), (b"a", b"b\nc"), (b"a\r", b"b"), (b"a", b"b\rc"), (b"a", b"\0")],
)
def test_a_header_that_would_break_the_head_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(RuntimeError, match="line break"):
        encoded_head(b"HTTP/1.1 200 OK\r\n", [header])
