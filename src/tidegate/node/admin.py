"""What operators reach: the admin listener of the process that owns the state."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tidegate import __version__
from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.stores.admin_token import admin_token
from tidegate.api.admin import AdminApp
from tidegate.api.listener import Listener
from tidegate.api.openapi import document
from tidegate.config.configuration import Configuration, TcpAddress
from tidegate.node.guarding import admin_guard
from tidegate.node.owner import Owner

GRACE_S = 1


@dataclass(frozen=True, slots=True)
class Operations:
    """What the admin listener can have done, by one process or by all workers."""

    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    reload: Callable[[], Awaitable[Mapping[str, object]]]
    status: Callable[[], Awaitable[Mapping[str, object]]]


async def start_admin(
    stack: AsyncExitStack,
    owner: Owner,
    operations: Operations,
    configuration: Configuration,
    sock: socket.socket,
) -> Listener:
    """Serve operators on a socket until the stack unwinds, and say where in `admin.address`."""
    paths = owner.paths
    app = AdminApp(
        token=admin_token(paths.admin_token),
        metrics=operations.metrics,
        openapi=lambda: document(__version__),
        reload=operations.reload,
        status=operations.status,
        find=owner.ledger.find,
        request_id=SystemIds().request_id,
        log=owner.log,
    )
    listener = Listener(
        app,
        sock,
        head_s=configuration.limits.head_s,
        grace_s=GRACE_S,
        guard=admin_guard(owner.log),
    )
    await listener.start()
    stack.push_async_callback(listener.stop)
    port = port_of(configuration, sock)
    if isinstance(configuration.admin, TcpAddress):
        address = f"{configuration.admin.host} {port}"
    else:
        address = f"unix {configuration.admin.path.resolve()}"
    paths.admin_address.write_text(f"{address}\n", encoding="utf-8")
    stack.callback(paths.admin_address.unlink, missing_ok=True)
    return listener


def port_of(configuration: Configuration, sock: socket.socket) -> int | None:
    """Give the port of the admin listener; None for a unix socket."""
    if not isinstance(configuration.admin, TcpAddress):
        return None
    port: int = sock.getsockname()[1]
    return port
