import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from tests.unit.api.raw import Answer, connection, exchange, request
from tidegate.api.arrival import Receive, Scope, Send
from tidegate.api.listener import App, Guard, Listener, bind_tcp
from tidegate.api.protocol import HEAD_LIMIT_BYTES, PROTOCOL_KEY, BoundedProtocol, Refusals

SHORT_S = 0.05


@asynccontextmanager
async def served(
    app: App,
    *,
    head_s: float = 10.0,
    stall_s: float = 60.0,
    connections: int = 100,
    refusals: Refusals | None = None,
) -> AsyncIterator[int]:
    sock = bind_tcp("127.0.0.1", 0)
    guard = Guard(connections=connections, stall_s=stall_s, refusals=refusals)
    listener = Listener(app, sock, head_s=head_s, grace_s=1, guard=guard)
    await listener.start()
    try:
        yield sock.getsockname()[1]
    finally:
        await listener.stop()
        sock.close()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Give back method, path and body."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    said = f"{scope['method']} {scope['path']} ".encode() + body
    await whole(send, said)


async def whole(send: Send, body: bytes, status: int = 200) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def two_pieces(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one ", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


class Gate:
    """An application whose answer begins at once and ends when the test says so."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/":
            await whole(send, b"next")
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin ", "more_body": True})
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await send({"type": "http.response.body", "body": b"end"})


def code(answer: Answer) -> str:
    return str(json.loads(answer.body)["error"]["code"])


async def test_requests_follow_one_another_on_a_connection() -> None:
    async with served(echo) as port, connection(port) as raw:
        for path in ("/a", "/b"):
            await raw.send(request(path, b"x"))
            assert (await raw.answer()).body == f"POST {path} x".encode()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with served(echo) as port, connection(port) as raw:
        await raw.send(request("/a", b"1") + request("/b", b"2") + request("/c", b"3"))
        assert [(await raw.answer()).body for _ in "abc"] == [
            b"POST /a 1",
            b"POST /b 2",
            b"POST /c 3",
        ]


async def test_a_request_may_arrive_byte_by_byte() -> None:
    async with served(echo) as port, connection(port) as raw:
        for byte in request("/slow", b"body"):
            await raw.send(bytes([byte]))
        assert (await raw.answer()).body == b"POST /slow body"


@pytest.mark.parametrize(
    "begun",
    [b"P", b"POST / HT", b"POST / HTTP/1.1\r\nhost: x\r\n", b"\r\nGET / HTTP/1.1\r\nx-a: b"],
)
async def test_a_head_that_does_not_end_is_answered_408(begun: bytes) -> None:
    async with served(echo, head_s=SHORT_S) as port, connection(port) as raw:
        await raw.send(begun)
        answer = await raw.answer()
        assert (answer.status, code(answer)) == (408, "request_timeout")
        assert await raw.rest() == b""


async def test_a_trickling_head_does_not_prolong_its_time() -> None:
    async with served(echo, head_s=10 * SHORT_S) as port, connection(port) as raw:

        async def trickle() -> None:
            await raw.send(b"GET / HTTP/1.1\r\n")
            while True:
                await raw.send(b"a: b\r\n")
                await exchange(port, request("/other"))

        trickling = asyncio.create_task(trickle())
        try:
            assert (await raw.answer()).status == 408
        finally:
            trickling.cancel()


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"])
async def test_a_connection_that_asks_nothing_is_closed_without_a_word(sent: bytes) -> None:
    async with served(echo, head_s=SHORT_S) as port, connection(port) as raw:
        await raw.send(sent)
        assert await raw.rest() == b""


async def test_a_second_head_that_does_not_end_is_answered_408_too() -> None:
    async with served(echo, head_s=SHORT_S) as port, connection(port) as raw:
        await raw.send(request("/a", b""))
        assert (await raw.answer()).status == 200
        await raw.send(b"GET /b HTTP/1.1\r\n")
        assert (await raw.answer()).status == 408


async def test_a_late_pipelined_head_never_writes_into_the_answer_before_it() -> None:
    gate = Gate()
    async with served(gate, head_s=SHORT_S) as port, connection(port) as raw:
        await raw.send(request("/") + b"GET /next HTTP/1.1\r\nhost:")
        await gate.began.wait()
        # When another head, begun later, is told that it is late, this one's time is over too.
        assert (await exchange(port, b"GET")).status == 408
        gate.may_end.set()
        assert (await raw.answer()).body == b"begin end"
        assert (await raw.answer()).status == 408


async def test_garbage_behind_a_request_never_writes_into_its_answer() -> None:
    gate = Gate()
    async with served(gate) as port, connection(port) as raw:
        await raw.send(request("/"))
        await gate.began.wait()
        await raw.send(b"\x00\x01 garbage\r\n\r\n")
        # What came later on another connection has been read, so this has been too.
        assert (await exchange(port, request("/other"))).body == b"next"
        gate.may_end.set()
        assert (await raw.answer()).body == b"begin end"
        assert await raw.rest() == b""


NOT_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"hello\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/2.0\r\nhost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"get / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"CONNECT /a HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET http://h HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nna me: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nname : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nname: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nname: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nna\x00me: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nname: a\r\n folded\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
    b"POST / HTTP/1.1\r\ncontent-length: 1, 1\r\n\r\nx",
    b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\nx",
    b"POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\nx",
    b"POST / HTTP/1.1\r\ncontent-length: 0x1\r\n\r\nx",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\nx",
    b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\nx",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\nx",
    b"POST / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\nx",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
)


async def test_what_is_not_http_is_answered_400_in_json_and_closed(
    subtests: pytest.Subtests,
) -> None:
    async with served(echo) as port:
        for sent in NOT_HTTP:
            with subtests.test(sent=sent):
                async with connection(port) as raw:
                    await raw.send(sent)
                    answer = await raw.answer()
                    assert (answer.status, code(answer)) == (400, "invalid_http")
                    assert answer.headers["connection"] == "close"
                    assert await raw.rest() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * HEAD_LIMIT_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * HEAD_LIMIT_BYTES + b"\r\n",
    ],
)
async def test_a_huge_head_is_answered_431(head: bytes) -> None:
    async with served(echo) as port:
        answer = await exchange(port, head)
        assert (answer.status, code(answer)) == (431, "request_head_too_large")


async def test_a_head_just_within_the_limit_is_taken() -> None:
    filler = "x: " + "a" * (HEAD_LIMIT_BYTES - 100)
    async with served(echo) as port:
        assert (await exchange(port, request("/", b"", filler))).status == 200


async def test_trailers_count_as_head() -> None:
    chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    async with served(echo) as port:
        answer = await exchange(port, chunked, b"x: " + b"a" * HEAD_LIMIT_BYTES + b"\r\n\r\n")
        assert answer.status == 431


@pytest.mark.parametrize("is_split", [False, True])
async def test_a_wish_for_another_protocol_is_ignored(*, is_split: bool) -> None:
    """Java's client wishes for HTTP/2 with every request over plain HTTP."""
    wish = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk")
    sent = request("/a", b"body", *wish)
    head = sent[: -len(b"body")]
    pieces = (head, b"body") if is_split else (sent,)
    async with served(echo) as port, connection(port) as raw:
        for _ in range(2):
            for piece in pieces:
                await raw.send(piece)
            assert (await raw.answer()).body == b"POST /a body"


async def test_a_wish_to_close_beside_another_protocol_is_kept() -> None:
    async with served(echo) as port, connection(port) as raw:
        await raw.send(request("/a", b"", "connection: close, Upgrade", "upgrade: websocket"))
        assert (await raw.answer()).headers["connection"] == "close"
        assert await raw.rest() == b""


async def test_a_body_is_asked_for_when_the_client_waits_for_it() -> None:
    head = request("/a", b"body", "expect: 100-continue")[: -len(b"body")]
    async with served(echo) as port, connection(port) as raw:
        await raw.send(head)
        assert (await raw.answer()).status == 100
        await raw.send(b"body")
        assert (await raw.answer()).body == b"POST /a body"


async def test_a_body_that_is_refused_is_not_asked_for() -> None:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await whole(send, b"no", 413)

    head = request("/a", b"body", "expect: 100-continue")[: -len(b"body")]
    async with served(refuse) as port, connection(port) as raw:
        await raw.send(head)
        assert (await raw.answer()).status == 413


async def test_the_rest_of_a_refused_body_is_dropped_and_the_connection_goes_on() -> None:
    async def refuse_first(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/refused":
            await whole(send, b"no", 413)
        else:
            await echo(scope, receive, send)

    sent = request("/refused", b"x" * 200_000)
    async with served(refuse_first) as port, connection(port) as raw:
        await raw.send(sent[:1000])
        assert (await raw.answer()).status == 413
        await raw.send(sent[1000:] + request("/a", b"y"))
        assert (await raw.answer()).body == b"POST /a y"


async def test_the_rest_of_a_refused_body_must_come_in_time() -> None:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await whole(send, b"no", 413)

    sent = request("/", b"x" * 1000)
    async with served(refuse, head_s=SHORT_S) as port, connection(port) as raw:
        await raw.send(sent[:-500])
        assert (await raw.answer()).status == 413
        await raw.send(b"x")
        assert await raw.rest() == b""


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_an_answer_of_unknown_length_is_chunked_only_where_that_is_known(
    version: str,
) -> None:
    async with served(two_pieces) as port, connection(port) as raw:
        await raw.send(f"GET / HTTP/{version}\r\nhost: x\r\n\r\n".encode())
        answer = await raw.answer()
        assert answer.body == b"one two"
        assert ("transfer-encoding" in answer.headers) is (version == "1.1")


async def test_a_whole_answer_over_http_1_0_ends_with_its_connection() -> None:
    async with served(echo) as port, connection(port) as raw:
        await raw.send(b"POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi")
        answer = await raw.answer()
        assert (answer.body, answer.headers["connection"]) == (b"POST / hi", "close")
        assert await raw.rest() == b""


async def test_a_request_whose_client_left_is_cancelled() -> None:
    gate = Gate()
    async with served(gate) as port:
        async with connection(port) as raw:
            await raw.send(request("/"))
            await gate.began.wait()
        async with asyncio.timeout(20):
            await gate.cancelled.wait()


async def test_a_client_that_stops_reading_is_cut_off() -> None:
    done = asyncio.Event()

    async def pour(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        finally:
            done.set()

    async with served(pour, stall_s=SHORT_S) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.send(request("/"))
            async with asyncio.timeout(20):
                await done.wait()


class SlowTransport:
    """A transport whose buffer has the sizes that the test says, one after another."""

    def __init__(self, *sizes: int) -> None:
        self._sizes = list(sizes)
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self._sizes.pop(0)

    def abort(self) -> None:
        self.is_aborted = True


class ManualLoop:
    """Calls what was to be called later when the test says so."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []

    def call_later(
        self, _delay: float, callback: Callable[..., object], *arguments: object
    ) -> "ManualLoop":
        self._calls.append(lambda: callback(*arguments))
        return self

    def cancel(self) -> None:
        self._calls.clear()

    def elapse(self) -> None:
        for call in [self._calls.pop() for _ in range(len(self._calls))]:
            call()


@pytest.mark.parametrize(
    ("sizes", "is_cut_off"),
    [((100, 100), True), ((100, 99, 98), False), ((100, 99, 99), True), ((100, 120), True)],
)
def test_only_a_client_that_takes_nothing_is_cut_off(
    sizes: tuple[int, ...], *, is_cut_off: bool
) -> None:
    transport, loop = SlowTransport(*sizes), ManualLoop()
    protocol = BoundedProtocol.__new__(BoundedProtocol)
    protocol.transport = cast("asyncio.Transport", transport)
    protocol.loop = cast("asyncio.AbstractEventLoop", loop)
    protocol.flow = FlowControl(protocol.transport)
    protocol.pause_writing()
    for _ in sizes[1:]:
        loop.elapse()
    assert transport.is_aborted is is_cut_off
    protocol.resume_writing()
    loop.elapse()
    assert transport.is_aborted is is_cut_off


async def test_a_slow_reader_gets_everything() -> None:
    size = 8_000_000

    async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
        await whole(send, bytes(size))

    async with served(large) as port:
        assert len((await exchange(port, request("/"))).body) == size


async def test_the_handler_finds_its_connection() -> None:
    found: list[object] = []

    async def look(scope: Scope, _receive: Receive, send: Send) -> None:
        found.append(scope["state"][PROTOCOL_KEY])
        await whole(send, b"")

    async with served(look) as port:
        await exchange(port, request("/"))
    assert isinstance(found[0], BoundedProtocol)


async def test_a_request_that_crashes_is_answered_and_takes_no_other_with_it() -> None:
    async def crash(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    async with served(crash) as port:
        assert (await exchange(port, request("/"))).status == 500
        assert (await exchange(port, request("/"))).status == 500


class Noted:
    """Notes refusals."""

    def __init__(self) -> None:
        self.refused: list[tuple[int, str]] = []

    def note(self, status: int, code: str) -> str:
        self.refused.append((status, code))
        return f"id-{len(self.refused)}"


async def test_what_is_refused_below_any_handler_has_an_id_and_is_noted() -> None:
    noted = Noted()
    async with served(echo, head_s=SHORT_S, refusals=noted) as port:
        garbled = await exchange(port, b"hello\r\n\r\n")
        huge = await exchange(port, b"GET /" + b"a" * HEAD_LIMIT_BYTES + b" HTTP/1.1\r\n\r\n")
        slow = await exchange(port, b"GET / HT")
        taken = await exchange(port, request("/"))

    assert [one.headers["x-request-id"] for one in (garbled, huge, slow)] == [
        "id-1",
        "id-2",
        "id-3",
    ]
    assert noted.refused == [
        (400, "invalid_http"),
        (431, "request_head_too_large"),
        (408, "request_timeout"),
    ]
    assert taken.status == 200
