"""One connection to an upstream: bytes to the parser, the parser's events to the exchange."""

import asyncio
import select
from collections.abc import Callable
from typing import cast

import httptools

from tidegate.adapters.http.httptools_client.exchange import Exchange
from tidegate.errors import UpstreamCut, UpstreamError, UpstreamMalformed, UpstreamUnreachable

HEAD_LIMIT_BYTES = 64 * 1024
"""Status line and headers of an answer together; llhttp itself sets no bound."""

_INTERIM_STATUS = range(100, 200)
_SWITCHING = 101


class Connection(asyncio.Protocol):
    """Carries one exchange at a time and tells its owner when it is free again."""

    def __init__(
        self,
        upstream: str,
        on_free: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self._upstream = upstream
        self._on_free = on_free
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._is_head_done = False
        self._is_usable = False
        self._is_paused = False
        self._poller = select.poll()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        # A stream protocol is given a Transport; uvloop's does not descend from asyncio's class.
        self._transport = cast("asyncio.Transport", transport)
        self._is_usable = True
        socket = transport.get_extra_info("socket")
        self._poller.register(socket.fileno(), select.POLLIN)

    @property
    def is_usable(self) -> bool:
        """Whether a request may go out on it.

        An idle connection on which something can be read was closed by the server, or is out of
        step; the loop has not told us yet.
        """
        return self._is_usable and not self._poller.poll(0)

    def send(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """Send a request whose answer goes to `exchange`."""
        assert self._transport is not None
        self._exchange = exchange
        self._start_head()
        self._transport.write(head + body if body else head)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived (asyncio calls this)."""
        exchange = self._exchange
        if exchange is None:
            self.abort()
            return
        if not self._is_head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            exchange.fail(
                UpstreamCut(self._upstream, "the answer stopped being HTTP")
                if self._is_head_done
                else UpstreamMalformed(self._upstream, "answered with something that is not HTTP")
            )
            self.abort()
            return
        if not self._is_head_done and self._head_bytes > HEAD_LIMIT_BYTES:
            exchange.fail(
                UpstreamMalformed(
                    self._upstream, f"the answer's headers exceed {HEAD_LIMIT_BYTES} bytes"
                )
            )
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange that was under way (asyncio calls this)."""
        self._is_usable = False
        self._on_lost(self)
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if exc is None and self._is_head_done and self._ends_at_close():
            exchange.complete()
            return
        exchange.fail(self._loss(exc))

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and self._is_usable:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self._is_usable and self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, without waiting for unsent bytes or a TLS goodbye."""
        self._is_usable = False
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close because the node wants it; an exchange under way fails."""
        if self._exchange is not None:
            gone = UpstreamUnreachable(self._upstream, "the node let it go", was_asked=True)
            self._exchange.fail(gone)
        self.abort()

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody asked for: it must not meet the next request."""
        if self._exchange is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header (the parser calls this; trailers come here as well and are dropped)."""
        if not self._is_head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the head to the exchange."""
        status = self._parser.get_status_code()
        if status in _INTERIM_STATUS and status != _SWITCHING:
            return
        self._is_head_done = True
        if self._exchange is not None:
            self._exchange.begin(status, self._headers)

    def on_body(self, data: bytes) -> None:
        """Hand a piece of the body to the exchange."""
        if self._exchange is not None:
            self._exchange.extend(data)

    def on_message_complete(self) -> None:
        """End the exchange and offer the connection for the next."""
        if not self._is_head_done:
            self._start_head()
            return
        exchange, self._exchange = self._exchange, None
        is_reusable = self._parser.should_keep_alive() and self._is_usable
        if exchange is not None:
            exchange.complete()
        if not is_reusable:
            self.abort()
        else:
            self.resume()
            self._on_free(self)

    def _start_head(self) -> None:
        self._headers = []
        self._head_bytes = 0
        self._is_head_done = False

    def _ends_at_close(self) -> bool:
        """Tell whether the answer has no stated length, so that closing is its end."""
        names = {name.lower() for name, _ in self._headers}
        return not names & {b"content-length", b"transfer-encoding"}

    def _loss(self, exc: Exception | None) -> UpstreamError:
        if self._is_head_done:
            return UpstreamCut(self._upstream, "the connection broke off in the answer")
        how = "was reset" if isinstance(exc, ConnectionResetError) else "closed"
        return UpstreamUnreachable(
            self._upstream, f"the connection {how} before an answer came", was_asked=True
        )
