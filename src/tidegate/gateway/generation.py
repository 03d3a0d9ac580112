"""One loaded configuration with everything it built, and the holder that swaps them.

A request keeps the generation it began with until its last byte. A retired generation is closed
by its owner once nobody uses it any more.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.domain.passed import Batches
from tidegate.domain.price_table import PriceTable
from tidegate.domain.request import Dialect
from tidegate.domain.zone import Place
from tidegate.gateway.learned import Learned
from tidegate.ports.encoder import Encoder, StaticTable
from tidegate.ports.upstream import Upstream
from tidegate.routing.rules import CompiledRule
from tidegate.routing.table import RouteTable
from tidegate.tasks.classify import LoadedTask
from tidegate.tasks.scores import Heads, fuse


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What one configuration means for requests; never changes once it serves."""

    number: int
    """Counts the configurations of this process; stands on every record."""
    content: str
    """Hash of the configuration as a whole, for operators."""
    place: Place
    routes: RouteTable
    rules: Mapping[str, tuple[CompiledRule, ...]]
    """By route name."""
    answer_content: Mapping[str, str]
    """By route name: the hash of what can alter its answers; part of every cache key."""
    upstreams: Mapping[str, Upstream]
    places: Mapping[str, Place]
    tasks: Mapping[str, LoadedTask]
    """Those that have a bundle."""
    encoder: Encoder | None
    prices: PriceTable
    learned: Learned = field(default_factory=Learned)
    static: StaticTable | None = None
    """Static embeddings; answer first where a task's bundle has a head on them."""
    heads: Heads = field(default_factory=lambda: fuse({}))
    """Those of `tasks`, as one matrix; learned ones, which belong to tenants, are not in it."""
    trace_share: float | None = None
    """Share of requests whose trace is kept anyway; None when this node does not trace."""
    batches: Batches | None = None
    """Where files and batches lie; None: nowhere, and nobody may have any."""

    def speaks(self, upstream: str, dialect: Dialect) -> bool:
        """Tell whether an upstream speaks a dialect itself."""
        return dialect in self.upstreams[upstream].native


class Generations:
    """Holds the current generation and knows who still uses an older one."""

    def __init__(self, first: Generation) -> None:
        """Start with the configuration that was loaded at start."""
        self._current = first
        self._users = {first.number: 0}
        self._drained: dict[int, asyncio.Event] = {}

    @property
    def current(self) -> Generation:
        """The generation that new requests get."""
        return self._current

    def enter(self) -> Generation:
        """Take the current generation for one request; pair with `leave`."""
        generation = self._current
        self._users[generation.number] += 1
        return generation

    def leave(self, generation: Generation) -> None:
        """Give a generation back."""
        number = generation.number
        self._users[number] -= 1
        if self._users[number] == 0 and number in self._drained:
            self._drained[number].set()

    def in_flight(self) -> int:
        """Count the requests of all generations."""
        return sum(self._users.values())

    def swap(self, following: Generation) -> None:
        """Let new requests use `following`, whose number is that of no generation before it."""
        self._users[following.number] = 0
        self._current = following

    async def drained(self, retired: Generation) -> None:
        """Return when nobody uses a generation any more that is not the current one."""
        if self._users[retired.number] > 0:
            self._drained[retired.number] = asyncio.Event()
            await self._drained[retired.number].wait()
            del self._drained[retired.number]
        del self._users[retired.number]
