"""A listening socket and the server on it; uvicorn underneath, signals left to the process."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvicorn
from uvicorn._types import ASGI3Application

from tidegate.api.arrival import Receive, Scope, Send
from tidegate.api.crowd import Crowd
from tidegate.api.protocol import BoundedProtocol, Refusals
from tidegate.errors import ConfigError

App = Callable[[Scope, Receive, Send], Awaitable[None]]

Covering = asyncio.Server
"""A second socket that a listener accepts from."""

ALL_ADDRESSES = "::"
"""This host is every address of the machine, of IPv6 and of IPv4."""

BACKLOG = 1024
KEEP_ALIVE_S = 75
"""Idle connections stay open longer than common proxies keep theirs, so that we never race them."""

STALL_S = 60.0
"""A client that takes no byte of a waiting answer for so long is cut off, as nginx does."""


def bind_tcp(host: str, port: int) -> socket.socket:
    """Listen on an address; raises ConfigError when it is taken. `::` takes IPv4 too."""
    return bind_each(host, port, 1)[0]


def bind_each(host: str, port: int, count: int) -> list[socket.socket]:
    """Listen on one address by several sockets, over which the system spreads connections.

    Raises ConfigError when it is taken, by whomsoever: the first socket is bound alone.
    """
    first = _bound(host, port)
    sockets = [first]
    try:
        if count > 1:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken = first.getsockname()[1]
            sockets += [_bound(host, taken, is_shared=True) for _ in range(count - 1)]
        for one in sockets:
            one.listen(BACKLOG)
    except OSError as error:
        for one in sockets:
            one.close()
        raise _unusable(host, port, error) from error
    return sockets


def _bound(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    try:
        family, _, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError as error:
        raise ConfigError(f"`{host}` is not an address to listen on: {error.strerror}") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        if family == socket.AF_INET6:
            # Said either way, so that the machine's own default does not decide.
            is_one_address = address[0] != ALL_ADDRESSES
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_one_address)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from error
    return listener


def _unusable(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"Port {port} on {host} cannot be used: {error.strerror};"
        " choose another with --port, or --port 0 for any free one"
    )


def bind_unix(path: Path) -> socket.socket:
    """Listen on a unix socket that only this user may open; a stale one is replaced."""
    if _is_served(path):
        raise ConfigError(f"The socket `{path}` cannot be used: another process serves it")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"The socket `{path}` cannot be used: {error.strerror}") from error
    return listener


def _is_served(path: Path) -> bool:
    """Tell whether somebody accepts connections there; a file that was left behind has nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            # Its queue is full, so it has one.
            return True
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Guard:
    """What a listener allows, and who hears of those that it turns away."""

    connections: int = 4_096
    """Open at the same time; see `crowd` for what happens beyond."""
    stall_s: float = STALL_S
    refusals: Refusals | None = None


NO_GUARD = Guard()


class Listener:
    """Serves one application on one socket."""

    def __init__(
        self,
        app: App,
        listener: socket.socket,
        *,
        head_s: float,
        grace_s: int,
        guard: Guard = NO_GUARD,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`grace_s`: how long requests under way may take to end when the server stops."""
        settings = {
            "head_timeout_s": head_s,
            "stall_s": guard.stall_s,
            "crowd": Crowd(guard.connections),
            "refusals": guard.refusals,
        }
        protocol = cast(type[BoundedProtocol], type("Protocol", (BoundedProtocol,), settings))
        config = uvicorn.Config(
            cast(ASGI3Application, app),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=grace_s,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._protocol = protocol
        self._server = _Server(config)
        self._socket = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept requests; returns when it does."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.is_ready.wait()

    async def cover(self, sock: socket.socket) -> Covering:
        """Accept from another socket as well; it is closed with the listener or by `uncover`."""
        config, state = self._server.config, self._server.server_state

        def protocol() -> BoundedProtocol:
            return self._protocol(config=config, server_state=state, app_state={})

        loop = asyncio.get_running_loop()
        covering = await loop.create_server(protocol, sock=sock, ssl=config.ssl)
        self._server.servers.append(covering)
        return covering

    def uncover(self, covering: Covering) -> None:
        """Accept no more from that socket; connections it brought stay."""
        covering.close()
        self._server.servers.remove(covering)

    def hurry(self) -> None:
        """Have `stop` drop what is under way instead of waiting for it."""
        self._server.force_exit = True
        for task in self._server.server_state.tasks:
            task.cancel()

    async def stop(self) -> None:
        """Accept no more, let requests under way end, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            # Requests that were cancelled write their record before anything else is closed.
            await asyncio.gather(*self._server.server_state.tasks, return_exceptions=True)


class _Server(uvicorn.Server):
    """Tells when it accepts, and installs no signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
