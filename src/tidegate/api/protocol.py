"""HTTP/1.1 on one connection: uvicorn's protocol with limits on the head, and with cancellation.

Adds what a server on the open network needs and uvicorn leaves to a proxy: a time limit and a size
limit for the head, an end for clients that stop reading, a request that is cancelled as soon as
its client leaves, error bodies in JSON. `cycle.py` is one request on it.
"""

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tidegate.api.crowd import Crowd
from tidegate.api.cycle import Cycle
from tidegate.wire.failures import error_body

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

HEAD_LIMIT_BYTES = 65_536
"""Bytes of all header names and values of one request."""

RTT_EVERY_S = 1.0
"""How often a connection's round-trip time is asked for; the kernel smooths it over many."""

_TCP_INFO_RTT_OFFSET = 68
"""Position of `tcpi_rtt` (microseconds, 32 bits) in Linux' struct tcp_info."""

PROTOCOL_KEY = "tidegate.protocol"
"""Under this key of the ASGI scope's `state` a handler finds the connection."""


PROBES = frozenset({b"/livez", b"/readyz"})
"""What a connection beyond the limit may still ask."""

_SERVER_ERROR = 500
_VERSIONS = frozenset({"1.0", "1.1"})
_UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings"})


class Refusals(Protocol):
    """Hears of requests that were refused before any handler saw them."""

    def note(self, status: int, code: str) -> str:
        """Take note of one; gives the id for its answer."""
        ...


class NotServed(ValueError):
    """Another version of HTTP, a request for a tunnel, or one with two hosts."""


class NoRoom(ValueError):
    """A connection beyond the limit asks for more than whether the node is alive."""


class HeadTooLarge(ValueError):
    """The head of a request is larger than `HEAD_LIMIT_BYTES`."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; its limits are set by the server that uses the class."""

    head_timeout_s: ClassVar[float] = 10.0
    stall_s: ClassVar[float] = 60.0
    crowd: ClassVar[Crowd]
    refusals: ClassVar[Refusals | None] = None

    _is_extra = False
    _is_turned_away = False
    _head_size = 0
    _is_in_head = False
    _has_host = False
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _socket: socket.socket | None = None
    _rtt_s: float | None = None
    _rtt_until = 0.0
    _running: asyncio.Task[None] | None = None
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a first head; a silent connection is closed without a word."""
        super().connection_made(transport)
        self._is_extra = not self.crowd.enter(self)
        if hasattr(socket, "TCP_INFO"):
            self._socket = transport.get_extra_info("socket")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request whose client has left."""
        super().connection_lost(exc)
        self.crowd.leave(self)
        self._stop_head_timer()
        self._stop_stall_timer()
        if self._running is not None and not self._running.done():
            self._running.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and watch the clock while the client owes something."""
        self._unset_keepalive_if_required()
        self._feed(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on with what the client has sent meanwhile."""
        super().on_response_complete()
        self._watch()

    def on_message_begin(self) -> None:
        """Begin counting a head."""
        super().on_message_begin()
        self._head_size = 0
        self._is_in_head = True
        self._has_host = False

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header; a second `Host` is refused, since others may go by the first.

        Called for every header of every request, so it does all of its parent's work itself.
        """
        self._count(len(name) + len(value))
        name = name.lower()
        if name == b"host":
            if self._has_host:
                raise NotServed
            self._has_host = True
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Let the handler find this connection."""
        self._is_in_head = False
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        is_upgrade = parser.should_upgrade()
        if version not in _VERSIONS or (is_upgrade and parser.get_method() == b"CONNECT"):
            raise NotServed
        if is_upgrade:
            return
        if self._is_extra and self.url not in PROBES:
            self._is_turned_away = True
            raise NoRoom
        url = httptools.parse_url(self.url)
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        scope["raw_path"] = url.path
        scope["path"] = unquote(url.path.decode("ascii"))
        scope["query_string"] = url.query or b""
        scope["state"][PROTOCOL_KEY] = self
        self._take_turn(
            Cycle(
                scope,
                self.transport,
                self.flow,
                self.server_state.default_headers,
                self.on_response_complete,
                expect_100_continue=self.expect_100_continue,
                keep_alive=version == "1.1" and parser.should_keep_alive() and not self._is_extra,
            )
        )

    def on_message_complete(self) -> None:
        """Let the handler have the whole body, or end a connection that waited for its end."""
        if not self.parser.should_upgrade():
            super().on_message_complete()
        if isinstance(self.cycle, Cycle) and self.cycle.lingers:
            self.transport.close()

    def pause_writing(self) -> None:
        """Hold the handler back, and see whether the client reads at all."""
        super().pause_writing()
        self._expect_progress(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Let the handler go on."""
        self._stop_stall_timer()
        super().resume_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        """Keep the task of the request, so that it can be cancelled."""
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self._running = task
        self._answering = cycle

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, in JSON."""
        if self._is_turned_away:
            message = f"This node holds {self.crowd.limit} connections already; retry later."
            self._refuse(503, message, "overloaded")
        elif self._head_size > HEAD_LIMIT_BYTES:
            message = f"The request head is larger than {HEAD_LIMIT_BYTES} bytes."
            self._refuse(431, message, "request_head_too_large")
        else:
            self._refuse(400, msg, "invalid_http")

    def idle_until(self) -> tuple[bool, float] | None:
        """See `Guest`."""
        if self._is_in_head or self._is_answering():
            return None
        if self.timeout_keep_alive_task is not None:
            return False, self.timeout_keep_alive_task.when()
        return None if self._head_timer is None else (True, self._head_timer.when())

    def dismiss(self) -> None:
        """See `Guest`."""
        self.transport.abort()

    def has_whole_body(self) -> bool:
        """Tell whether the body of the request that is being answered has arrived to its end."""
        return self._answering is not None and not self._answering.more_body

    def client_rtt_s(self) -> float | None:
        """Give the smoothed round-trip time to the client as the kernel saw it lately (Linux)."""
        now = self.loop.time()
        if now >= self._rtt_until:
            self._rtt_until = now + RTT_EVERY_S
            self._rtt_s = self._ask_rtt_s()
        return self._rtt_s

    def _ask_rtt_s(self) -> float | None:
        if self._socket is None:
            return None
        try:
            info = self._socket.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_RTT_OFFSET + 4
            )
        except OSError:
            return None
        if len(info) < _TCP_INFO_RTT_OFFSET + 4:
            return None
        microseconds: int = struct.unpack_from("=I", info, _TCP_INFO_RTT_OFFSET)[0]
        return microseconds / 1e6

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("This is not a request in HTTP/1.1.")
        except httptools.HttpParserUpgrade as upgrade:
            head = self._head_without_upgrade()
            # A parser that has read `Connection: close` takes nothing more.
            self.parser = httptools.HttpRequestParser(self)
            self._feed(head + data[upgrade.args[0] :])

    def _head_without_upgrade(self) -> bytes:
        """Give the head again without the wish for another protocol, which a server may ignore.

        Java's client wishes for HTTP/2 with every request. The parser takes the body behind such a
        head for the other protocol and would lose it.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                kept = b", ".join(one for one in tokens if one.lower() not in _UPGRADE_HEADERS)
                lines += [b"connection: " + kept] if kept else []
            elif name not in _UPGRADE_HEADERS:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def _take_turn(self, cycle: Cycle) -> None:
        """Begin with a request, or let it wait for the end of the answer before it."""
        self.cycle = cycle
        if self._is_answering():
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._start_asgi_task(cycle, self.app)

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT_BYTES:
            raise HeadTooLarge

    def _watch(self) -> None:
        """Have a timer run whenever no handler does and the client has begun to send.

        It is not prolonged by what trickles in. A handler has limits of its own, and a client that
        sends nothing between two requests has uvicorn's keep-alive time.
        """
        if self.transport.is_closing() or self._is_answering():
            self._stop_head_timer()
        elif self._is_in_head or self.timeout_keep_alive_task is None:
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)
        else:
            self._stop_head_timer()

    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _late(self) -> None:
        if self._is_in_head:
            message = f"The request head did not arrive within {self.head_timeout_s:g} s."
            self._refuse(408, message, "request_timeout")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer outside of any handler and close."""
        if self.transport.is_closing():
            return
        now = self._answering
        if now is not None and self._is_answering() and (now.response_started or not now.more_body):
            # What is wrong came behind a request that is being answered: never write into that
            # answer, let the connection end with it.
            now.keep_alive = False
            self.pipeline.clear()
            return
        kind = "invalid_request_error" if status < _SERVER_ERROR else "server_error"
        body = error_body(message, type=kind, code=code)
        head = (
            b"%scontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n"
            % (
                STATUS_LINE[status],
                len(body),
            )
        )
        if status >= _SERVER_ERROR:
            head += b"retry-after: 1\r\n"
        if self.refusals is not None:
            head += b"x-request-id: %s\r\n" % self.refusals.note(status, code).encode()
        self.transport.write(head + b"\r\n" + body)
        self.transport.close()

    def _expect_progress(self, waiting: int) -> None:
        self._stall_timer = self.loop.call_later(self.stall_s, self._check_progress, waiting)

    def _check_progress(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting < before:
            self._expect_progress(waiting)
        else:
            self.transport.abort()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
