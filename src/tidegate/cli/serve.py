"""What `run` does: a node until a signal ends it."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.logs.stream import StreamLog
from tidegate.adapters.notify import Notifier
from tidegate.config.configuration import Configuration
from tidegate.config.load import default_state_directory, notify_socket
from tidegate.errors import TidegateError
from tidegate.node.node import Node, settle_process
from tidegate.node.single import running_node

STDOUT = 1


async def serve(
    configuration: Configuration, reread: Callable[[], Configuration], state: Path | None
) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP reloads."""
    started = time.perf_counter()
    folder = state or default_state_directory()
    log = _log(configuration)
    log.open()
    manager = Notifier(notify_socket(), log)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    hurry: list[Callable[[], None]] = []

    def on_stop() -> None:
        """Stop, letting requests under way end; told a second time, stop at once."""
        for act in hurry if stop.is_set() else ():
            act()
        stop.set()

    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, on_stop)
    try:
        async with running_node(configuration, folder, log, reread) as node:
            hurry.append(node.hurry)
            reloads: set[asyncio.Task[None]] = set()

            def on_hup() -> None:
                task = asyncio.create_task(_reload(node, manager, reread))
                reloads.add(task)
                task.add_done_callback(reloads.discard)

            loop.add_signal_handler(signal.SIGHUP, on_hup)
            settle_process()
            log.event(
                "node.ready",
                port=node.port,
                host=configuration.data.host,
                admin_port=node.admin_port,
                tier=configuration.place.tier,
                state=str(folder),
                config=configuration.source or "embedded default",
                took_s=round(time.perf_counter() - started, 3),
            )
            manager.ready(_status(node))
            await stop.wait()
            manager.stopping()
            log.event("node.stopping", in_flight=node.generations.in_flight())
            loop.remove_signal_handler(signal.SIGHUP)
            await asyncio.gather(*reloads)
    finally:
        log.event("node.stopped")
        log.close()


async def _reload(node: Node, manager: Notifier, reread: Callable[[], Configuration]) -> None:
    manager.reloading(time.monotonic())
    # `Node.reload` has logged what is wrong and keeps it for `/admin/status`.
    with contextlib.suppress(TidegateError):
        await node.reload(reread)
    manager.ready(_status(node))


def _status(node: Node) -> str:
    """Give the line that `systemctl status` shows."""
    serving = f"serving generation {node.generations.current.number}"
    if node.reload_error is None:
        return serving
    return f"{serving}; the last reload was refused: {node.reload_error}"


def _log(configuration: Configuration) -> StreamLog:
    is_terminal = sys.stdout.isatty()
    wanted = configuration.log_format
    style = ("text" if is_terminal else "json") if wanted == "auto" else wanted
    return StreamLog(STDOUT, style, SystemClock())
