"""The pooled client of one upstream: takes an idle connection or makes one, and sends."""

import asyncio
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from tidegate.adapters.http.httptools_client.connection import Connection
from tidegate.adapters.http.httptools_client.dial import Address, dial, trust
from tidegate.adapters.http.httptools_client.exchange import Exchange, Limits
from tidegate.adapters.http.httptools_client.head import encode_head
from tidegate.adapters.proxies import choose
from tidegate.adapters.upstream_settings import EnvironmentProxies, UpstreamSettings
from tidegate.errors import UpstreamTimeout
from tidegate.ports.http import HttpAnswer

MAX_IDLE = 256
"""Connections kept for later; how many are in use is bounded by the listener's `in_flight`."""

MAX_IDLE_S = 50.0
"""Shorter than the 60 and 75 seconds after which common load balancers and nginx close."""


class HttptoolsClient:
    """Implements `ports.Http`. Follows no redirects, decompresses nothing, keeps no cookies."""

    def __init__(self, settings: UpstreamSettings, proxies: EnvironmentProxies) -> None:
        """`proxies` are those of the environment; the upstream's own setting comes first."""
        url = urlsplit(settings.base_url)
        self._settings = settings
        self._host = url.hostname or ""
        self._is_tls = url.scheme == "https"
        self._port = url.port or (443 if self._is_tls else 80)
        self._proxy = choose(settings, proxies)
        self._prefix = url.path.rstrip("/")
        self._fixed = f"host: {url.netloc}\r\naccept-encoding: identity\r\n"
        if self._proxy is not None and not self._is_tls:
            # A plain-HTTP proxy is given the whole URL (RFC 9112 section 3.2.2).
            self._prefix = f"http://{url.netloc}{self._prefix}"
            if self._proxy.authorization is not None:
                self._fixed += f"proxy-authorization: {self._proxy.authorization}\r\n"
        self._address: Address | None = None
        self._idle: deque[tuple[float, Connection]] = deque()
        self._connections: set[Connection] = set()
        self._is_closed = False

    async def open(self) -> None:
        """Read the trust store; no connection is made."""
        settings = self._settings
        tls = trust(settings.ca_file) if self._is_tls else None
        self._address = Address(
            upstream=settings.name,
            host=self._host,
            port=self._port,
            tls=tls,
            proxy=self._proxy,
            connect_s=settings.timeouts.connect_s,
        )

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpAnswer:
        """Send one request; returns when the head of the answer is there."""
        head = encode_head(method, self._prefix + path, self._fixed, headers, len(body))
        loop = asyncio.get_running_loop()
        timeouts = self._settings.timeouts
        limits = Limits(
            loop.time(),
            first_byte_s=timeouts.first_byte_s,
            gap_s=timeouts.gap_s,
            total_s=timeouts.total_s,
        )
        connection = self._take_idle(loop.time())
        connect_s = None
        if connection is None:
            connection = await self._connect()
            connect_s = loop.time() - limits.start
        exchange = Exchange(self._settings.name, connection, limits, loop, connect_s=connect_s)
        connection.send(exchange, head, body)
        is_answered = False
        try:
            await exchange.wait_for_head()
            is_answered = True
        finally:
            if not is_answered:
                exchange.drop()
        return exchange

    async def close(self) -> None:
        """Close all connections, those in use as well."""
        self._is_closed = True
        self._idle.clear()
        for connection in tuple(self._connections):
            connection.close()
        self._connections.clear()

    def _take_idle(self, now: float) -> Connection | None:
        """Take the connection used last, so that those not needed grow old and are dropped."""
        while self._idle:
            since, connection = self._idle.pop()
            if now - since < MAX_IDLE_S and connection.is_usable:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        # `open` comes before every call; see the life cycle in the style guide.
        assert self._address is not None
        connect_s = self._settings.timeouts.connect_s
        try:
            async with asyncio.timeout(connect_s):
                connection = await dial(self._address, self._make)
        except TimeoutError as error:
            raise UpstreamTimeout(self._settings.name, "connect", connect_s) from error
        self._connections.add(connection)
        return connection

    def _make(self) -> Connection:
        return Connection(self._settings.name, self._keep, self._connections.discard)

    def _keep(self, connection: Connection) -> None:
        """Keep a connection whose exchange is over."""
        if self._is_closed:
            connection.abort()
            return
        self._idle.append((asyncio.get_running_loop().time(), connection))
        if len(self._idle) > MAX_IDLE:
            self._idle.popleft()[1].abort()
