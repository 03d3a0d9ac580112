"""A node as far as it serves requests: generations that come and go on parts that stay.

It changes in two steps, so that several processes can take over a configuration together or not at
all: `prepare` builds beside what serves, then `adopt` swaps or `abandon` drops it.
"""

import asyncio
import gc
import ssl
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from tidegate import __version__
from tidegate.adapters.machine import give_memory_back
from tidegate.adapters.stores.key_file import KeySnapshot
from tidegate.api.arrival import Limits
from tidegate.api.health import Readiness
from tidegate.api.listener import Listener
from tidegate.config.configuration import Configuration
from tidegate.domain.guarantee import Grant
from tidegate.errors import TidegateError
from tidegate.gateway.entrance import Entrance
from tidegate.gateway.generation import Generations
from tidegate.node.exchange import Exchange
from tidegate.node.parts import Parts
from tidegate.node.workshop import Built, Workshop

RESTART_PARTS = (
    "data",
    "client_side",
    "admin",
    "encoder",
    "encoder_source",
    "log_format",
    "name",
    "workers",
    "limits.head_s",
    "limits.connections",
    "sinks",
    "limits.cache_bytes",
)
"""What a reload cannot change; a configuration that does is taken, and the answer names them."""

SWITCH_INTERVAL_S = 0.0005
COLLECT_AFTER = (10_000, 10, 10)
"""Objects made and not yet dropped before the collector looks; Python's own 700 is two requests."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies ready to be swapped in."""

    built: Built
    keys: KeySnapshot | None
    """None leaves those in force that are."""
    certificate: ssl.SSLContext | None
    """None leaves the one in force that is."""


@dataclass(slots=True)
class Node:
    """What serves in one process; made by `build_node`."""

    parts: Parts
    workshop: Workshop
    generations: Generations
    entrance: Entrance
    built: Built
    started: Configuration
    """What the process began with: listeners and encoder are still of it."""
    port: int = 0
    admin_port: int | None = None
    """None when the admin listener is a unix socket, or another process has it."""
    reload_error: str | None = None
    """Why the last reload failed; the generation before it serves on."""
    exchange: Exchange | None = None
    """With the learner of its tasks; None where another process has it."""
    troubles: dict[str, str] = field(default_factory=dict)
    """What is wrong beside this process, by part; shown by `/readyz`."""
    listeners: list[Listener] = field(default_factory=list)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)

    def hurry(self) -> None:
        """Do not wait for requests under way any longer."""
        for listener in self.listeners:
            listener.hurry()

    async def reload(self, read: Callable[[], Configuration]) -> Mapping[str, object]:
        """Read the configuration anew and swap; raises and leaves the old one on any error."""
        async with self._changing:
            number = self.generations.current.number + 1
            try:
                prepared = await self.prepare(read(), number)
            except TidegateError as error:
                self.reload_error = str(error)
                self.parts.log.event("config.refused", error=str(error))
                raise
            self.adopt(prepared)
        built = prepared.built
        needs_restart = differences(self.started, built.configuration)
        self.parts.log.event(
            "config.reloaded", generation=number, needs_restart=", ".join(needs_restart)
        )
        return {
            "generation": number,
            "needs_restart": needs_restart,
            "unserved": built.unserved,
            "held_back": built.held_back,
        }

    async def rebuild(self, why: str) -> None:
        """Build anew from the configuration in force: something else changed that decides answers.

        A task that cannot be loaded any more goes unserved, so that a suspension always comes
        through.
        """
        async with self._changing:
            number = self.generations.current.number + 1
            self.adopt(await self.prepare_again(number))
        self.parts.log.event("node.rebuilt", generation=number, why=why)

    async def revoke(self, grant: Grant) -> None:
        """Answer no more under a guarantee, in no generation; does not wait for a change."""
        self.parts.learning.watch.revoke(grant)

    async def restore(self, grant: Grant) -> None:
        """Answer again under a guarantee that was revoked, once a generation has it."""
        self.parts.learning.watch.restore(grant)

    async def prepare(self, configuration: Configuration, number: int) -> Prepared:
        """Read and check everything beside what serves; raises TidegateError."""
        parts = self.parts
        keys = parts.keys.peek()
        certificate = None if parts.tls is None else parts.tls.read()
        built = await self.workshop.build(configuration, number, strict=True)
        return Prepared(built, keys, certificate)

    async def prepare_again(self, number: int) -> Prepared:
        """Build from the configuration in force; bundles that were checked are not read again."""
        configuration = self.built.configuration
        built = await self.workshop.build(configuration, number, strict=False, keep=True)
        return Prepared(built, None, None)

    def adopt(self, prepared: Prepared) -> None:
        """Swap to what was prepared; new requests get it from here on."""
        built = prepared.built
        if self.parts.tls is not None and prepared.certificate is not None:
            self.parts.tls.use(prepared.certificate)
        former, self.built = self.built, built
        self.workshop.adopt(built)
        self.generations.swap(built.generation)
        self.parts.follow(built.configuration)
        retiring = asyncio.create_task(self._retire(former, built, tuple(self._retiring)))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        keys = prepared.keys
        if keys is not None:
            self.reload_error = None
            self.entrance.admit(keys.rows, keys.pepper, built.configuration.tenants)

    async def abandon(self, prepared: Prepared) -> None:
        """Drop what was prepared and will not serve."""
        await self.workshop.abandon(prepared.built)

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

    @property
    def generation(self) -> int:
        """The number of the generation in force."""
        return self.generations.current.number

    async def in_flight(self) -> int:
        """Count the requests under way."""
        return self.generations.in_flight()

    def limits(self) -> Limits:
        """Give the limits in force."""
        return self.built.limits

    def readiness(self) -> Readiness:
        """Tell what works; nothing of this keeps a node that answers from serving."""
        health = self.parts.journal.health()
        parts = {"journal": "ok" if health.is_well else health.last_error or "records were lost"}
        off_by = self.parts.encoder.off_by
        checked = "no golden vectors" if off_by is None else f"golden vectors off by {off_by:.1g}"
        parts["encoder"] = f"ok, {checked}"
        parts |= {f"task {name}": why for name, why in self.built.unserved.items()}
        tasks = self.generations.current.tasks
        parts |= {
            f"task {name}": f"ok, golden scores off by {loaded.margin:.1g}"
            for name, loaded in tasks.items()
        }
        parts |= {f"task {name}": why for name, why in self.built.held_back.items()}
        parts |= self.troubles
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
            "held_back": self.built.held_back,
            "journal": {"pending": health.pending, "lost": health.lost},
            "encoder": self.parts.encoder.name,
            "sinks": [sink.health() for sink in self.parts.sinks],
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


def differences(former: Configuration, current: Configuration) -> list[str]:
    """Name what differs between two configurations and a reload does not change."""
    return [part for part in RESTART_PARTS if attrgetter(part)(former) != attrgetter(part)(current)]


def settle_process() -> None:
    """Tune the interpreter for serving, once everything is built."""
    # What was built at start stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    give_memory_back()
    # A request makes some hundred objects that are gone with it, none of them in a cycle.
    gc.set_threshold(*COLLECT_AFTER)
    # The default of 5 ms would let the ledger's thread keep a request waiting that long.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
