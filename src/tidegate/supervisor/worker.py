"""A worker process: `python -m tidegate.supervisor.worker VERSION CONTROL SOCKET...`.

Serves the data listener only and does what the supervisor tells it over the pipe. When the pipe
closes, the supervisor is gone, and the worker stops rather than serve on without an owner.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import uvloop

from tidegate import __version__
from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.logs.stream import StreamLog
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.api.listener import Covering, Listener
from tidegate.config.configuration import Configuration
from tidegate.config.load import load_content
from tidegate.domain.guarantee import Grant
from tidegate.domain.record import Record
from tidegate.errors import (
    BundleError,
    ConfigError,
    MissingExtra,
    StateError,
    TidegateError,
    WorkerLost,
)
from tidegate.node.data import start_data
from tidegate.node.node import Node, Prepared, settle_process
from tidegate.node.parts import open_parts
from tidegate.node.single import build_node, start_serving_jobs
from tidegate.node.upkeep import Upkeep
from tidegate.ports.log import Log
from tidegate.supervisor.channel import answer, next_order, urge
from tidegate.supervisor.messages import (
    Abandon,
    Adopt,
    Answer,
    Begin,
    Cover,
    Done,
    Look,
    Order,
    Prepare,
    Ready,
    Refused,
    Report,
    Restore,
    Revoke,
    Serve,
    Stop,
    Text,
    Uncover,
)

_ToNode: TypeAlias = Serve | Prepare | Adopt | Revoke | Restore | Abandon | Look | Cover | Uncover
"""Orders to a worker that has a node."""

_SETTINGS = ConfigError | StateError | BundleError | MissingExtra
"""What is the operator's to mend."""

STDOUT = 1
ORPHAN_GRACE_S = 0.5
"""Without a supervisor, requests under way get this long."""


def main() -> None:
    """Run until the supervisor says stop or is gone."""
    # The terminal's signals are the supervisor's; it tells its workers what they mean.
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    version, *descriptors = sys.argv[1:]
    control, *listeners = (socket.socket(fileno=int(one)) for one in descriptors)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker(version, listeners).run(control))


class Worker:
    """What one worker knows: its node, and what lies prepared."""

    def __init__(self, version: str, sockets: list[socket.socket]) -> None:
        """`sockets` are those of all workers, by number; `version` is the supervisor's."""
        self._version = version
        self._sockets = sockets
        self._stack = AsyncExitStack()
        self._over = asyncio.Event()
        self._node: Node | None = None
        self._begin: Begin | None = None
        self._listener: Listener | None = None
        self._prepared: Prepared | None = None
        self._covering: dict[int, Covering] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, control: socket.socket) -> None:
        """Obey until told to stop; then let requests end and close everything."""
        reader, writer = await asyncio.open_unix_connection(sock=control)
        self._writer = writer
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        obeying = asyncio.create_task(self._obey(reader, writer))
        obeying.add_done_callback(lambda _: self._over.set())
        try:
            async with self._stack:
                await self._over.wait()
                self._close_sockets()
        finally:
            obeying.cancel()
            # A fault of ours ends the process with its traceback; the supervisor starts another.
            with contextlib.suppress(asyncio.CancelledError):
                await obeying
            writer.close()

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    ordered = await next_order(reader)
                    tasks.create_task(self._answer(writer, ordered.number, ordered.order))
            except WorkerLost:
                self._lose_the_supervisor()

    async def _answer(self, writer: asyncio.StreamWriter, number: int, order: Order) -> None:
        try:
            given = await self._carry_out(order)
        except TidegateError as error:
            is_setting = isinstance(error, _SETTINGS)
            given = Refused(str(error), is_setting)
            if isinstance(order, Begin | Serve):
                self._over.set()
        answer(writer, number, given)

    async def _carry_out(self, order: Order) -> Answer:
        if isinstance(order, Begin):
            return await self._start(order)
        if isinstance(order, Stop):
            self._stop(hurry=order.hurry)
            return Done()
        if self._node is None:
            raise WorkerLost("it has not begun")
        return await self._obey_with(self._node, order)

    async def _obey_with(self, node: Node, order: _ToNode) -> Answer:
        match order:
            case Serve():
                await self._serve(node)
            case Prepare():
                return await self._prepare(node, order)
            case Adopt():
                self._adopt(node, order.generation)
            case Revoke():
                await node.revoke(Grant(order.task, order.granted_at))
            case Restore():
                await node.restore(Grant(order.task, order.granted_at))
            case Abandon():
                node.reload_error = order.why
                await self._drop_prepared(node)
            case Look():
                return self._report(node)
            case Cover():
                await self._cover(order.worker)
            case Uncover():
                self._uncover(order.worker)
        return Done()

    async def _start(self, begin: Begin) -> Ready:
        if self._version != __version__:
            raise ConfigError(
                f"the supervisor is Tidegate {self._version}, installed is {__version__}: it was"
                " upgraded while it ran; restart the node"
            )
        log = StreamLog(STDOUT, begin.log_style, SystemClock(), is_shared=True)
        log.open()
        self._stack.callback(log.close)
        configuration = _configuration(begin.text)
        paths = StatePaths(Path(begin.state))
        labelled = _Labelled(log, begin.worker)
        parts = open_parts(self._stack, configuration, paths, labelled, begin.worker)
        node = await build_node(self._stack, parts, configuration, begin.generation)
        upkeep = Upkeep(labelled)
        self._stack.push_async_callback(upkeep.stop)
        parts.learning.look = self._urge
        start_serving_jobs(upkeep, node)
        settle_process()
        self._begin = begin
        self._node = node
        return _ready(node)

    async def _urge(self) -> None:
        if self._writer is not None:
            urge(self._writer)

    async def _serve(self, node: Node) -> None:
        if self._begin is None:
            return
        own = self._sockets[self._begin.worker].dup()
        self._listener = await start_data(self._stack, node, node.started, own)

    async def _prepare(self, node: Node, order: Prepare) -> Ready:
        await self._drop_prepared(node)
        if order.text is None:
            self._prepared = await node.prepare_again(order.generation)
        else:
            configuration = _configuration(order.text)
            self._prepared = await node.prepare(configuration, order.generation)
        return _ready(node, self._prepared)

    def _adopt(self, node: Node, generation: int) -> None:
        prepared = self._prepared
        if prepared is None or prepared.built.generation.number != generation:
            raise WorkerLost(f"generation {generation} was not prepared")
        self._prepared = None
        node.adopt(prepared)

    async def _drop_prepared(self, node: Node) -> None:
        if self._prepared is not None:
            dropped, self._prepared = self._prepared, None
            await node.abandon(dropped)

    async def _cover(self, worker: int) -> None:
        if self._listener is not None and worker not in self._covering:
            sock = self._sockets[worker].dup()
            self._covering[worker] = await self._listener.cover(sock)
            if self._node is not None:
                self._node.troubles[f"worker {worker}"] = "is being started again"

    def _uncover(self, worker: int) -> None:
        covering = self._covering.pop(worker, None)
        if covering is not None and self._listener is not None:
            self._listener.uncover(covering)
        if self._node is not None:
            self._node.troubles.pop(f"worker {worker}", None)

    def _report(self, node: Node) -> Report:
        health = node.parts.journal.health()
        return Report(
            generation=node.generations.current.number,
            in_flight=node.generations.in_flight(),
            journal_pending=health.pending,
            journal_lost=health.lost,
            resident_bytes=_resident_bytes(),
            is_stopping=self._over.is_set(),
            families=node.parts.metrics.families(),
        )

    def _stop(self, *, hurry: bool) -> None:
        self._over.set()
        if hurry and self._node is not None:
            self._node.hurry()

    def _lose_the_supervisor(self) -> None:
        """Stop within a second: without an owner nothing is moved, reloaded or suspended."""
        if self._node is not None and not self._over.is_set():
            self._node.parts.log.event("worker.orphaned")
            asyncio.get_running_loop().call_later(ORPHAN_GRACE_S, self._node.hurry)
        self._over.set()

    def _close_sockets(self) -> None:
        """Let go of all sockets, so that connections are refused once nobody holds one."""
        for sock in self._sockets:
            sock.close()


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A log whose events say which worker they are of."""

    log: Log
    worker: int

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        self.log.event(name, worker=self.worker, **fields)

    def access(self, record: Record) -> None:
        self.log.access(record)

    def lines(self, lines: bytes) -> None:
        self.log.lines(lines)


def _configuration(text: Text) -> Configuration:
    return load_content(text.content, text.source, Path(text.folder))


def _ready(node: Node, prepared: Prepared | None = None) -> Ready:
    built = node.built if prepared is None else prepared.built
    return Ready(
        generation=built.generation.number,
        content=built.digest(),
        unserved=dict(built.unserved),
        held_back=dict(built.held_back),
        encoder=node.parts.encoder.name,
    )


def _resident_bytes() -> int:
    """Give the memory that this process has in RAM; 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
