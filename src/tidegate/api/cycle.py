"""One request and its answer on a connection: what uvicorn's cycle does, with less for each.

The head of an answer leaves together with its first bytes, in one system call and one packet.
Headers come from this program, so they are looked at once as a block instead of one by one. What
HTTP/1.0 cannot read is sent without chunks, its end the connection's.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGISendEvent,
        HTTPResponseBodyEvent,
        HTTPResponseStartEvent,
        HTTPScope,
    )

Headers = Iterable[tuple[bytes, bytes]]

_WITHOUT_BODY = frozenset({204, 304})


class Cycle(RequestResponseCycle):
    """Takes the place of uvicorn's; `HttpToolsProtocol` reads and sets the attributes it knows."""

    logger = logging.getLogger("uvicorn.error")

    # Seven facts of a request that the parent has twelve of.
    def __init__(  # noqa: PLR0913
        self,
        scope: "HTTPScope",
        transport: asyncio.Transport,
        flow: FlowControl,
        default_headers: list[tuple[bytes, bytes]],
        on_response: Callable[[], None],
        *,
        expect_100_continue: bool,
        keep_alive: bool,
    ) -> None:
        """`default_headers` go with every answer; `on_response` is told when one is written."""
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.default_headers = default_headers
        self.on_response = on_response
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expect_100_continue
        self.body = bytearray()
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding = False
        self._left: int | None = None
        """Bytes of the body that are still to come, where its length was announced."""
        self._head = b""

    async def send(self, message: "ASGISendEvent") -> None:
        """Send the start of an answer, or a piece of its body (the application calls this)."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._begin(message)
        elif message["type"] == "http.response.body" and self._is_under_way():
            self._go_on(message)
        else:
            raise RuntimeError(f"`{message['type']}` came out of turn")

    @property
    def lingers(self) -> bool:
        """Whether the client still sends a body that nobody reads, to a connection that ends.

        Closing before its end would reset the connection and take the answer from the client.
        """
        ends_here = self.response_complete and not self.keep_alive
        return ends_here and self.more_body and self._left == 0

    def _is_under_way(self) -> bool:
        return self.response_started and not self.response_complete

    def _begin(self, start: "HTTPResponseStartEvent") -> None:
        """Make the head, which waits for the first bytes: they always follow at once."""
        self.response_started = True
        self.waiting_for_100_continue = False
        headers = [*self.default_headers, *start.get("headers", ())]
        for name, value in headers:
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
        if not self.keep_alive and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        status = start["status"]
        if self._left is None and self._may_chunk(status):
            self.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        self._head = encoded_head(STATUS_LINE[status], headers)

    def _may_chunk(self, status: int) -> bool:
        return (
            self.scope["http_version"] == "1.1"
            and self.scope["method"] != "HEAD"
            and status not in _WITHOUT_BODY
        )

    def _go_on(self, piece: "HTTPResponseBodyEvent") -> None:
        body = piece.get("body", b"")
        is_last = not piece.get("more_body", False)
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            data = head
        elif self.chunked_encoding:
            end = b"0\r\n\r\n" if is_last else b""
            data = b"%s%x\r\n%s\r\n%s" % (head, len(body), body, end) if body else head + end
        else:
            self._account(len(body), is_last=is_last)
            data = head + body if head else body
        if data:
            self.transport.write(data)
        if is_last:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive and not self.lingers:
                self.transport.close()
            self.on_response()

    def _account(self, size: int, *, is_last: bool) -> None:
        """Hold the body against its announced length: a client would take the rest for more."""
        if self._left is None:
            return
        self._left -= size
        if self._left < 0 or (is_last and self._left):
            raise RuntimeError("the body is not as long as was announced")


def encoded_head(status_line: bytes, headers: Headers) -> bytes:
    """Encode a head; raises RuntimeError where a header would break it."""
    lines = [b"%s: %s\r\n" % header for header in headers]
    head = b"".join((status_line, *lines, b"\r\n"))
    ends = len(lines) + 2
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise RuntimeError("a header of the answer holds a line break or a zero byte")
    return head
