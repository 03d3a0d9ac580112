"""One running node: joins all layers, starts the listeners, swaps generations on reload."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from tidegate import __version__
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.clocks.system import SystemClock, SystemIds
from tidegate.adapters.encoder_files import shipped
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.adapters.exporters.prometheus import CONTENT_TYPE, process_metrics, render
from tidegate.adapters.filesystem import ephemeral_kind
from tidegate.adapters.stores.admin_token import admin_token
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.adapters.stores.memory_cache import MemoryCache
from tidegate.adapters.stores.state_directory import StatePaths, open_state_directory
from tidegate.adapters.tls_files import ServerTls
from tidegate.api.admin import AdminApp
from tidegate.api.anthropic import Messages
from tidegate.api.app import DataApp
from tidegate.api.arrival import Limits
from tidegate.api.failures import status_of
from tidegate.api.health import Health, Readiness
from tidegate.api.intake import Intake
from tidegate.api.listener import Listener, bind_tcp, bind_unix
from tidegate.api.openai import Surfaces
from tidegate.api.openapi import document
from tidegate.config.configuration import Configuration, TcpAddress, UnixAddress
from tidegate.domain.record import Record
from tidegate.errors import TidegateError
from tidegate.gateway.count import TokenCounts
from tidegate.gateway.dispatch import Dispatch
from tidegate.gateway.entrance import Entrance
from tidegate.gateway.execute import Executor
from tidegate.gateway.generation import Generations
from tidegate.gateway.meter import Meter
from tidegate.gateway.pipeline import Gateway
from tidegate.gateway.record import Recorder
from tidegate.gateway.repeat import Repeats
from tidegate.gateway.stream import Tools
from tidegate.node.front import in_front
from tidegate.node.published import known_names, publish
from tidegate.node.upkeep import KEYS_EVERY_S, MOVE_EVERY_S, PRUNE_EVERY_S, LedgerKeeper, Upkeep
from tidegate.node.workshop import Built, Workshop
from tidegate.ports import Log

GRACE_S = 15
"""Requests under way get this long to end when the node stops."""

RESTART_PARTS = (
    "data",
    "client_side",
    "admin",
    "encoder",
    "log_format",
    "name",
    "limits.head_s",
    "limits.cache_bytes",
)
"""What a reload cannot change; a configuration that does is taken, and the answer names them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process, opened."""

    clock: SystemClock
    paths: StatePaths
    journal: JournalFile
    ledger: LedgerKeeper
    encoder: OnnxEncoder
    keys: KeyFile
    metrics: Meter
    log: Log
    tls: ServerTls | None
    """Of the data listener."""


@dataclass(slots=True)
class Node:
    """A node that serves; made by `running_node`."""

    parts: Parts
    workshop: Workshop
    generations: Generations
    entrance: Entrance
    reread: Callable[[], Configuration]
    built: Built
    started: Configuration
    """What the process began with: listeners and encoder are still of it."""
    port: int = 0
    admin_port: int | None = None
    """None when the admin listener is a unix socket."""
    reload_error: str | None = None
    """Why the last reload failed; the generation before it serves on."""
    listeners: list[Listener] = field(default_factory=list)
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)

    def hurry(self) -> None:
        """Do not wait for requests under way any longer."""
        for listener in self.listeners:
            listener.hurry()

    async def reload(self) -> Mapping[str, object]:
        """Read the configuration anew and swap; raises and leaves the old one on any error."""
        async with self._reloading:
            try:
                configuration = self.reread()
                keys = self.parts.keys.load()
                number = self.generations.current.number + 1
                built = await self.workshop.build(configuration, number, strict=True)
                if self.parts.tls is not None:
                    self.parts.tls.reload()
            except TidegateError as error:
                self.reload_error = str(error)
                self.parts.log.event("config.refused", error=str(error))
                raise
            former, self.built, self.reload_error = self.built, built, None
            self.generations.swap(built.generation)
            self.parts.metrics.know(known_names(configuration))
            retiring = asyncio.create_task(self._retire(former, built, tuple(self._retiring)))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
            self.entrance.admit(keys.rows, keys.pepper, configuration.tenants)
        needs_restart = _differences(self.started, built.configuration)
        self.parts.log.event(
            "config.reloaded", generation=number, needs_restart=", ".join(needs_restart)
        )
        return {"generation": number, "needs_restart": needs_restart, "unserved": built.unserved}

    async def follow_keys(self) -> None:
        """Take over changed keys; a damaged file leaves those in force that were."""
        if self.parts.keys.changed():
            self.admit()
            self.parts.log.event("keys.changed")

    def admit(self) -> None:
        """Let the present keys in."""
        snapshot = self.parts.keys.load()
        tenants = self.built.configuration.tenants
        self.entrance.admit(snapshot.rows, snapshot.pepper, tenants)
        strangers = sum(row.identity.tenant not in tenants for row in snapshot.rows)
        if strangers:
            self.parts.log.event("keys.unknown_tenant", keys=strangers)

    def limits(self) -> Limits:
        """Give the limits in force."""
        return self.built.limits

    def readiness(self) -> Readiness:
        """Tell what works; nothing of this keeps a node that answers from serving."""
        health = self.parts.journal.health()
        parts = {"journal": "ok" if health.is_well else health.last_error or "records were lost"}
        parts |= {f"task {name}": why for name, why in self.built.unserved.items()}
        parts["config"] = "ok" if self.reload_error is None else "the last reload was refused"
        return Readiness(is_ready=True, parts=parts)

    def status(self) -> Mapping[str, object]:
        """Describe the node for operators."""
        health = self.parts.journal.health()
        return {
            "version": __version__,
            "generation": self.generations.current.number,
            "config": self.built.configuration.source,
            "config_sha256": self.built.configuration.content_hash,
            "reload_error": self.reload_error,
            "in_flight": self.generations.in_flight(),
            "unserved_tasks": self.built.unserved,
            "journal": {"pending": health.pending, "lost": health.lost},
            "encoder": self.parts.encoder.name,
        }

    async def close(self) -> None:
        """Wait until retired generations are closed; their requests have ended by now."""
        await asyncio.gather(*self._retiring)

    async def _retire(
        self, former: Built, current: Built, earlier: Collection[asyncio.Task[None]]
    ) -> None:
        """Close what only the former generation used; `earlier` ones may still use it too."""
        await asyncio.gather(self.generations.drained(former.generation), *earlier)
        await self.workshop.discard(former.generation, current.generation)


@asynccontextmanager
async def running_node(
    configuration: Configuration, state: Path, log: Log, reread: Callable[[], Configuration]
) -> AsyncIterator[Node]:
    """Run a node for the length of a block.

    Raises TidegateError with the remedy when something cannot start. On the way out requests under
    way may end, then everything is closed in reverse order, however far it had come.
    """
    async with AsyncExitStack() as stack:
        # Bound first: a taken port is the commonest mistake, so it shows before anything else.
        sockets = _bind(configuration)
        for one in sockets:
            stack.callback(one.close)
        parts = await _open_parts(stack, configuration, state, log)
        workshop = Workshop(parts.clock, parts.encoder, BundleFolder(parts.paths.bundles))
        built = await workshop.build(configuration, number=1, strict=False)
        stack.push_async_callback(workshop.close)
        node = Node(
            parts,
            workshop,
            Generations(built.generation),
            Entrance(parts.clock),
            reread,
            built,
            started=configuration,
        )
        stack.push_async_callback(node.close)
        node.admit()
        parts.metrics.know(known_names(configuration))
        await _start_upkeep(stack, node)
        await _start_listeners(stack, node, configuration, sockets)
        yield node


def _bind(configuration: Configuration) -> tuple[socket.socket, socket.socket]:
    data = bind_tcp(configuration.data.host, configuration.data.port)
    match configuration.admin:
        case TcpAddress(host, port):
            return data, bind_tcp(host, port)
        case UnixAddress(path):
            return data, bind_unix(path)


async def _open_parts(
    stack: AsyncExitStack, configuration: Configuration, state: Path, log: Log
) -> Parts:
    clock = SystemClock()
    files = configuration.client_side.tls
    tls = None if files is None else ServerTls(files)
    paths = open_state_directory(state)
    kind = ephemeral_kind(paths.root)
    if kind is not None:
        log.event("state.ephemeral", path=str(paths.root), filesystem=kind)
    ledger = LedgerKeeper(paths.ledger, paths.journal, clock)
    stack.push_async_callback(ledger.close)
    journal = JournalFile(paths.journal)
    journal.open()
    stack.callback(journal.close)
    await ledger.open()
    settings = configuration.encoder
    encoder = OnnxEncoder(
        shipped(),
        OnnxEncoderSettings(threads=settings.threads, queue=settings.queue),
    )
    stack.callback(encoder.close)
    encoder.open()
    encoder.check()
    keys = KeyFile(paths.keys, paths.pepper)
    return Parts(clock, paths, journal, ledger, encoder, keys, Meter(), log, tls)


async def _start_upkeep(stack: AsyncExitStack, node: Node) -> None:
    parts = node.parts
    upkeep = Upkeep(parts.log)
    stack.push_async_callback(upkeep.stop)

    was_well = True

    def tell_of_the_disk() -> None:
        """Log when records stop reaching the disk, and when they do again."""
        nonlocal was_well
        health = parts.journal.health()
        is_well = health.pending == 0
        if was_well and not is_well:
            parts.log.event("journal.failing", error=health.last_error, pending=health.pending)
        elif is_well and not was_well:
            parts.log.event("journal.recovered", lost=health.lost)
        was_well = is_well

    async def write_what_waits() -> None:
        parts.journal.flush()
        tell_of_the_disk()
        await parts.ledger.move()

    async def prune() -> None:
        keep = node.built.configuration.ledger
        await parts.ledger.prune(keep.keep_days, keep.keep_rows)

    await prune()
    upkeep.every(MOVE_EVERY_S, "journal", write_what_waits)
    upkeep.every(KEYS_EVERY_S, "keys", node.follow_keys)
    upkeep.every(PRUNE_EVERY_S, "retention", prune)


async def _start_listeners(
    stack: AsyncExitStack,
    node: Node,
    configuration: Configuration,
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    head_s = configuration.limits.head_s
    admin = Listener(_admin_app(node), sockets[1], head_s=head_s, grace_s=1)
    tls = node.parts.tls
    data = Listener(
        in_front(_data_app(node, configuration), configuration.client_side),
        sockets[0],
        head_s=head_s,
        grace_s=GRACE_S,
        tls=None if tls is None else tls.context,
    )
    node.listeners += (admin, data)
    for listener in node.listeners:
        await listener.start()
        stack.push_async_callback(listener.stop)
    node.port = sockets[0].getsockname()[1]
    if isinstance(configuration.admin, TcpAddress):
        node.admin_port = sockets[1].getsockname()[1]
        address = f"{configuration.admin.host} {node.admin_port}"
    else:
        address = f"unix {configuration.admin.path.resolve()}"
    address_file = node.parts.paths.admin_address
    address_file.write_text(f"{address}\n", encoding="utf-8")
    stack.callback(address_file.unlink, missing_ok=True)


def _data_app(node: Node, configuration: Configuration) -> DataApp:
    parts = node.parts
    ids = SystemIds()
    cache = MemoryCache(configuration.limits.cache_bytes)
    observers = (_AccessLog(parts.log), parts.metrics)
    tools = Tools(
        parts.clock,
        Recorder(parts.clock, parts.journal, observers),
        Repeats(parts.clock, cache),
    )
    dispatch = Dispatch(parts.clock, ids)
    executor = Executor(parts.clock, dispatch)
    gateway = Gateway(tools, node.generations, executor, status_of)
    publish(node.parts.metrics, node.built.configuration, node.generations, parts.journal, cache)

    def refused(error: TidegateError, request_id: str) -> None:
        status = status_of(error)
        parts.metrics.refused(status)
        parts.log.event(
            "request.refused", request_id=request_id, status=status, error=type(error).__name__
        )

    intake = Intake(node.entrance, parts.clock, node.limits, refused)
    surfaces = Surfaces(intake, gateway, node.generations)
    messages = Messages(intake, gateway, TokenCounts(parts.clock, node.generations, dispatch))
    return DataApp(surfaces, messages, Health(node.readiness), ids, parts.log)


def _admin_app(node: Node) -> AdminApp:
    parts = node.parts
    process = process_metrics()
    return AdminApp(
        token=admin_token(parts.paths.admin_token),
        metrics=lambda: (render(parts.metrics.families(), (process,)), CONTENT_TYPE),
        openapi=lambda: document(__version__),
        reload=node.reload,
        status=node.status,
        find=parts.ledger.find,
        request_id=SystemIds().request_id,
    )


@dataclass(frozen=True, slots=True)
class _AccessLog:
    """Writes the access line of each finished request."""

    log: Log

    def observe(self, record: Record) -> None:
        self.log.access(record)


def _differences(former: Configuration, current: Configuration) -> list[str]:
    return [part for part in RESTART_PARTS if attrgetter(part)(former) != attrgetter(part)(current)]
