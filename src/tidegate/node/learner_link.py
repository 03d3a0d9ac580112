"""The connection of a node to the learner of its tasks, and the stores beside it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.learners.over_http import LearnerOverHttp
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.config.configuration import Configuration, ConfiguredUpstream
from tidegate.domain.exchange import Offers
from tidegate.errors import TidegateError, UpstreamStatus
from tidegate.node.stock import Stock
from tidegate.ports.clock import Clock, Ids
from tidegate.ports.exchange import TaskLearner
from tidegate.ports.log import Log
from tidegate.wire.failures import read_failure

T = TypeVar("T")


@dataclass(slots=True)
class Link:
    """The learner in force, and what it said last."""

    configured: ConfiguredUpstream
    learner: TaskLearner
    offers: Offers | None = None
    tag: str | None = None
    """Of `offers`, once all of it was taken over."""
    heard: float | None = None
    """When it last answered, in seconds since the epoch."""


@dataclass(slots=True)
class Ties:
    """What pulling and sending work with; both are idle where this node has no learner."""

    clock: Clock
    ids: Ids
    labels: Callable[[], SqliteLabels]
    """Opens the label store."""
    guarantees: SqliteGuarantees
    stock: Stock
    log: Log
    configuration: Callable[[], Configuration]
    reach: Callable[[ConfiguredUpstream, Configuration], TaskLearner]
    """Makes the way to a learner, unopened."""
    link: Link | None = None
    working: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One thing at a time goes over the connection."""
    told: dict[str, str] = field(default_factory=dict)
    """What is wrong, by what it is about."""
    _store: SqliteLabels | None = None
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="exchange")
    )

    async def linked(self) -> Link | None:
        """Give the connection to the configured learner; None where there is none to talk to."""
        configuration = self.configuration()
        configured = configuration.learner
        if configured is None or not any(route.learns for route in configuration.routes):
            return None
        if self.link is None or self.link.configured != configured:
            if self.link is not None:
                await self.link.learner.close()
            self.link = Link(configured, self.reach(configured, configuration))
        return self.link

    def store(self) -> SqliteLabels:
        """Give the label store, opened when it is first needed."""
        if self._store is None:
            self._store = self.labels()
        return self._store

    @property
    def is_used(self) -> bool:
        """Whether the label store was opened here."""
        return self._store is not None

    def tell(self, about: str, event: str, message: str) -> None:
        """Log what is wrong, once until it changes."""
        if self.told.get(about) != message:
            self.told[about] = message
            self.log.event(event, about=about, error=message)

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in the thread that uses the stores."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """End what is under way, and close the store and the connection."""
        if self.link is not None:
            await self.link.learner.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()


def over_http(
    configured: ConfiguredUpstream, configuration: Configuration, clock: Clock
) -> LearnerOverHttp:
    """Make the way to a learner with a connection pool of its own."""
    return LearnerOverHttp(
        configured.settings.name,
        secret=configured.secret,
        http=HttptoolsClient(configured.settings, configuration.proxies),
        clock=clock,
    )


def said(error: TidegateError) -> str:
    """Give the learner's own words where it has said some."""
    if isinstance(error, UpstreamStatus):
        failure = read_failure(error.body)
        if failure is not None:
            return f"{error}: {failure.message}"
    return str(error)
