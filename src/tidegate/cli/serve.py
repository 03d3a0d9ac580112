"""What `run` does: a node until a signal ends it."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.logs.stream import StreamLog
from tidegate.adapters.notify import Notifier
from tidegate.config.configuration import Configuration
from tidegate.config.load import default_state_directory, notify_socket
from tidegate.errors import TidegateError
from tidegate.node.node import settle_process
from tidegate.supervisor.running import Running, running
from tidegate.supervisor.supervisor import Crew

STDOUT = 1


async def serve(
    configuration: Configuration, reread: Callable[[], Configuration], state: Path | None
) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP reloads. Raises what ends it of itself."""
    started = time.perf_counter()
    folder = state or default_state_directory()
    style = _style(configuration)
    workers = configuration.workers or len(os.sched_getaffinity(0))
    log = StreamLog(STDOUT, style, SystemClock(), is_shared=workers > 1)
    log.open()
    manager = Notifier(notify_socket(), log)
    ending = _Ending()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, ending.on_signal)
    crew = Crew(workers, style, ending.give_up)
    try:
        async with running(configuration, folder, log, reread, crew) as node:
            ending.node = node
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
                workers=workers,
                took_s=round(time.perf_counter() - started, 3),
            )
            manager.ready(_status(node))
            await ending.begun.wait()
            manager.stopping()
            log.event("node.stopping", in_flight=await node.in_flight())
            loop.remove_signal_handler(signal.SIGHUP)
            await asyncio.gather(*reloads)
    finally:
        log.event("node.stopped")
        log.close()
    if ending.failure is not None:
        raise ending.failure


@dataclass(slots=True)
class _Ending:
    """How the node is told to end: by a signal, or of itself."""

    node: Running | None = None
    """Once it runs."""
    failure: TidegateError | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def on_signal(self) -> None:
        """Stop, letting requests under way end; told a second time, stop at once."""
        if self.begun.is_set() and self.node is not None:
            self.node.hurry()
        self.begun.set()

    def give_up(self, error: TidegateError) -> None:
        """Stop, and keep the reason."""
        self.failure = self.failure or error
        self.begun.set()


async def _reload(node: Running, manager: Notifier, reread: Callable[[], Configuration]) -> None:
    manager.reloading(time.monotonic())
    # The node has logged what is wrong and keeps it for `/admin/status`.
    with contextlib.suppress(TidegateError):
        await node.reload(reread)
    manager.ready(_status(node))


def _status(node: Running) -> str:
    """Give the line that `systemctl status` shows."""
    serving = f"serving generation {node.generation}"
    if node.reload_error is None:
        return serving
    return f"{serving}; the last reload was refused: {node.reload_error}"


def _style(configuration: Configuration) -> Literal["json", "text"]:
    wanted = configuration.log_format
    if wanted != "auto":
        return wanted
    return "text" if sys.stdout.isatty() else "json"
