"""A node of one process: it owns the state and serves requests itself."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.bundles.pins import PinFile
from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.exporters.prometheus import CONTENT_TYPE, process_metrics, render
from tidegate.api.listener import bind_tcp, bind_unix
from tidegate.config.configuration import Configuration, TcpAddress, UnixAddress
from tidegate.gateway.audit_calls import Auditor
from tidegate.gateway.dispatch import Dispatch
from tidegate.gateway.entrance import Entrance
from tidegate.gateway.execute import Executor
from tidegate.gateway.generation import Generations
from tidegate.gateway.record import Recorder
from tidegate.node.admin import Operations, port_of, start_admin
from tidegate.node.data import start_data
from tidegate.node.exchange import start_exchange
from tidegate.node.learner import golden_texts, start_learner
from tidegate.node.learning import learned_now, start_collecting
from tidegate.node.node import Node
from tidegate.node.overseer import start_overseer
from tidegate.node.owner import Reach, open_owner, start_jobs
from tidegate.node.parts import Parts, open_parts
from tidegate.node.sinks import start_sinks
from tidegate.node.upkeep import KEYS_EVERY_S, MOVE_EVERY_S, Upkeep
from tidegate.node.workshop import Workshop
from tidegate.ports.log import Log


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
        data = bind_tcp(configuration.data.host, configuration.data.port)
        stack.callback(data.close)
        admin = bind_admin(configuration)
        stack.callback(admin.close)
        owner = await open_owner(stack, state, log)
        parts = open_parts(stack, configuration, owner.paths, log, worker=0)
        node = await build_node(stack, parts, configuration, number=1)
        upkeep = Upkeep(log)
        stack.push_async_callback(upkeep.stop)
        texts = partial(golden_texts, parts.encoder)
        await start_jobs(upkeep, owner, lambda: node.built.configuration, node.rebuild)
        learner = start_learner(
            stack, upkeep, owner, lambda: node.built.configuration, node.rebuild, texts
        )
        reach = Reach(node.revoke, node.restore, node.rebuild)
        overseer = start_overseer(stack, upkeep, owner, lambda: node.built.configuration, reach)
        parts.learning.look, parts.learning.learn = overseer.round, learner.round
        node.exchange = start_exchange(
            stack, upkeep, owner, lambda: node.built.configuration, reach, texts
        )
        start_serving_jobs(upkeep, node)
        # What changed while the node was down holds before the first request.
        await overseer.round()
        await overseer.follow()
        operations = _operations(node, reread)
        node.listeners.append(await start_admin(stack, owner, operations, configuration, admin))
        node.admin_port = port_of(configuration, admin)
        await start_data(stack, node, configuration, data)
        yield node


def bind_admin(configuration: Configuration) -> socket.socket:
    """Listen where operators are to reach the node."""
    match configuration.admin:
        case TcpAddress(host, port):
            return bind_tcp(host, port)
        case UnixAddress(path):
            return bind_unix(path)


async def build_node(
    stack: AsyncExitStack, parts: Parts, configuration: Configuration, number: int
) -> Node:
    """Build what serves, with a first generation; nothing is reached from outside yet."""
    workshop = Workshop(
        parts.clock,
        parts.encoder,
        BundleFolder(parts.paths.bundles),
        PinFile(parts.paths.pins),
        lambda wanted, load: learned_now(parts.learning, wanted, load, parts.log),
        parts.learning.guarantees.load,
        static=parts.static,
    )
    stack.push_async_callback(workshop.close)
    built = await workshop.build(configuration, number, strict=False)
    workshop.adopt(built)
    node = Node(
        parts,
        workshop,
        Generations(built.generation),
        Entrance(parts.clock),
        built,
        started=configuration,
    )
    stack.push_async_callback(node.close)
    node.admit()
    parts.follow(configuration)
    return node


def start_serving_jobs(upkeep: Upkeep, node: Node) -> None:
    """Begin the work that every serving process does beside requests; `upkeep` ends it."""
    parts = node.parts
    was_well = True

    async def write_what_waits() -> None:
        """Write what the disk refused; log when it begins to refuse and when it no longer does."""
        nonlocal was_well
        parts.journal.flush()
        health = parts.journal.health()
        is_well = health.pending == 0
        if was_well and not is_well:
            parts.log.event("journal.failing", error=health.last_error, pending=health.pending)
        elif is_well and not was_well:
            parts.log.event("journal.recovered", lost=health.lost)
        was_well = is_well

    upkeep.every(MOVE_EVERY_S, "journal", write_what_waits)
    upkeep.every(KEYS_EVERY_S, "keys", node.follow_keys)
    start_sinks(upkeep, node.built.configuration, parts.sinks)
    start_collecting(upkeep, parts.learning, make_auditor(node), node.built.configuration)


def make_auditor(node: Node) -> Auditor:
    """Make what has upstreams label answers of this node; its calls are not the clients'."""
    parts = node.parts
    ids = SystemIds()
    return Auditor(
        parts.clock,
        ids,
        node.generations,
        Executor(parts.clock, Dispatch(parts.clock)),
        Recorder(parts.clock, parts.journal, ()),
        parts.learning.collector,
        budget=parts.learning.keeper,
    )


def _operations(node: Node, reread: Callable[[], Configuration]) -> Operations:
    process = process_metrics()

    async def metrics() -> tuple[bytes, str]:
        return render(node.parts.metrics.families(), (process,)), CONTENT_TYPE

    async def reload() -> Mapping[str, object]:
        return await node.reload(reread)

    async def status() -> Mapping[str, object]:
        exchange = None if node.exchange is None else await node.exchange.status()
        return {**node.status(), "exchange": exchange}

    return Operations(metrics, reload, status)
