"""The supervisor of several workers: owns sockets, state and admin listener, and speaks for all.

It serves no request itself. Workers that end are started again; what changes is taken over by all
of them or by none (`change.py`).
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tidegate import __version__
from tidegate.adapters.exporters.prometheus import CONTENT_TYPE, process_metrics, render
from tidegate.api.listener import bind_each
from tidegate.config.configuration import Configuration
from tidegate.domain.guarantee import Grant
from tidegate.errors import ConfigError, TidegateError, WorkerFailed, WorkerLost
from tidegate.node.admin import Operations, port_of, start_admin
from tidegate.node.data import GRACE_S
from tidegate.node.exchange import Exchange, start_exchange
from tidegate.node.fitting import Texts
from tidegate.node.learner import golden_texts, start_learner
from tidegate.node.node import differences
from tidegate.node.overseer import start_overseer
from tidegate.node.owner import Owner, Reach, open_owner, start_jobs
from tidegate.node.parts import open_encoder
from tidegate.node.single import bind_admin
from tidegate.node.upkeep import Upkeep
from tidegate.ports.log import Log
from tidegate.supervisor.change import change_all
from tidegate.supervisor.counts import Counts
from tidegate.supervisor.member import Member
from tidegate.supervisor.messages import (
    Abandon,
    Begin,
    Cover,
    Look,
    Order,
    Prepare,
    Refused,
    Report,
    Restore,
    Revoke,
    Serve,
    Stop,
    Text,
    Uncover,
)
from tidegate.supervisor.restarts import MOST_ENDINGS, WINDOW_S, next_start

START_S = 60.0
"""A worker on a busy machine may take so long to load its encoder."""
LOOK_EVERY_S = 1.0
LOOK_S = 10.0
"""A worker that is silent for so long is replaced."""
SCRAPE_S = 0.5
REVOKE_S = 0.6
"""With what the overseer takes to look, below a second."""
ORDER_S = 5.0
STOP_S = GRACE_S + 3.0
HURRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers there are to be, and what goes beyond one process."""

    workers: int
    log_style: Literal["json", "text"]
    give_up: Callable[[TidegateError], None]
    """Called with the reason, when workers end again and again."""


@dataclass(slots=True)
class Supervisor:
    """A node of several workers; made by `running_supervisor`."""

    owner: Owner
    log: Log
    crew: Crew
    configuration: Configuration
    """In force."""
    started: Configuration
    sockets: list[socket.socket]
    members: list[Member]
    port: int = 0
    admin_port: int | None = None
    generation: int = 1
    reload_error: str | None = None
    exchange: Exchange | None = None
    """With the learner of this node's tasks."""
    counts: Counts = field(default_factory=Counts)
    _covered: set[int] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _is_hurried: bool = False
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _keeping: list[asyncio.Task[None]] = field(default_factory=list)
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Start all workers; raises what one of them cannot start for."""
        await asyncio.gather(*(self._start(member) for member in self.members))
        for member in self.members:
            keeping = asyncio.create_task(self._keep(member))
            keeping.add_done_callback(self._kept)
            self._keeping.append(keeping)

    async def stop(self) -> None:
        """Accept no more, let requests under way end, then end all workers."""
        self._stopping.set()
        for sock in self.sockets:
            sock.close()
        await self._tell_all(Stop(self._is_hurried))
        ending = asyncio.gather(*(member.ended() for member in self.members))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HURRY_S if self._is_hurried else STOP_S):
                await asyncio.shield(ending)
        for member in self.members:
            member.kill()
        await ending
        for keeping in self._keeping:
            keeping.cancel()
        await asyncio.gather(*self._keeping, *self._telling, return_exceptions=True)

    def hurry(self) -> None:
        """Do not wait for requests under way any longer."""
        self._is_hurried = True
        telling = asyncio.create_task(self._hurry())
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def reload(self, read: Callable[[], Configuration]) -> Mapping[str, object]:
        """Read the configuration anew; all workers take it over, or the error is raised."""
        async with self._changing:
            number = self.generation + 1
            try:
                configuration = read()
                prepare = Prepare(number, _text(configuration))
                await change_all(self._serving(), prepare, self._lose)
            except TidegateError as error:
                self.reload_error = str(error)
                self.log.event("config.refused", error=str(error))
                await self._tell_all(Abandon(str(error)))
                raise
            self.generation, self.configuration = number, configuration
            self.reload_error = None
        needs_restart = differences(self.started, configuration)
        self.log.event("config.reloaded", generation=number, needs_restart=", ".join(needs_restart))
        return {
            "generation": number,
            "needs_restart": needs_restart,
            "unserved": self._unserved(),
            "held_back": self._held_back(),
        }

    async def rebuild(self, why: str) -> None:
        """Have all workers build anew from the configuration in force, within a second.

        One that does not follow in time is ended: none serves on with what was before.
        """
        async with self._changing:
            self.generation += 1
            await change_all(self._serving(), Prepare(self.generation, None), self._lose)
        self.log.event("node.rebuilt", generation=self.generation, why=why)

    async def revoke(self, grant: Grant) -> None:
        """Have all workers answer no more under a guarantee; does not wait for a change under way.

        One that does not say that it has heard is ended. One that starts at this moment is built
        anew before it serves, or by the `rebuild` that follows.
        """
        order = Revoke(grant.task, grant.granted_at)

        async def one(member: Member) -> None:
            try:
                await member.ask(order, REVOKE_S)
            except WorkerLost as error:
                if member.state == "serving":
                    self._lose(member, str(error))

        await asyncio.gather(*(one(member) for member in self._present()))

    async def restore(self, grant: Grant) -> None:
        """Have all workers answer again under a guarantee that was revoked."""
        await self._tell_all(Restore(grant.task, grant.granted_at))

    async def in_flight(self) -> int:
        """Count the requests under way in all workers."""
        await self.look(SCRAPE_S)
        return sum(one.report.in_flight for one in self.members if one.report is not None)

    async def look(self, timeout_s: float) -> dict[Member, WorkerLost]:
        """Ask all workers how they stand; give those that did not answer."""
        lost: dict[Member, WorkerLost] = {}

        async def one(member: Member) -> None:
            try:
                answer = await member.ask(Look(), timeout_s)
            except WorkerLost as error:
                lost[member] = error
            else:
                if isinstance(answer, Report):
                    member.report = answer

        await asyncio.gather(*(one(member) for member in self._serving()))
        return lost

    async def watch(self) -> None:
        """Look after all workers once; replace those that are silent."""
        for member, error in (await self.look(LOOK_S)).items():
            self._lose(member, str(error))
        for member in self._serving():
            if member.report is not None and member.report.is_stopping:
                await self._cover(member)

    async def metrics(self) -> bytes:
        """Give the metrics of all workers as those of one node."""
        await self.look(SCRAPE_S)
        return render(self.counts.families(self.members), (process_metrics(),))

    async def status(self) -> Mapping[str, object]:
        """Describe the node for operators."""
        await self.look(SCRAPE_S)
        reports = [one.report for one in self.members if one.report is not None]
        return {
            "version": __version__,
            "generation": self.generation,
            "config": self.configuration.source,
            "config_sha256": self.configuration.content_hash,
            "reload_error": self.reload_error,
            "in_flight": sum(report.in_flight for report in reports),
            "unserved_tasks": self._unserved(),
            "held_back": self._held_back(),
            "journal": {
                "pending": sum(report.journal_pending for report in reports),
                "lost": sum(report.journal_lost for report in reports),
            },
            "encoder": next((one.ready.encoder for one in self.members if one.ready), None),
            "exchange": None if self.exchange is None else await self.exchange.status(),
            "workers": [_described(member) for member in self.members],
        }

    async def golden_texts(self) -> Texts:
        """Encode what bundles are checked by, with an encoder that is there for a moment only."""
        with contextlib.ExitStack() as stack:
            return await golden_texts(open_encoder(stack, self.started, self.owner.paths))

    async def _start(self, member: Member) -> None:
        """Start one worker and let it serve what is in force; raises TidegateError."""
        await member.spawn(self.sockets)
        generation = self.generation
        begin = Begin(
            member.number,
            _text(self.configuration),
            str(self.owner.paths.root),
            generation,
            self.crew.log_style,
        )
        await member.begin(begin, START_S)
        async with self._changing:
            if generation != self.generation:
                # Others have taken over something newer while this one was built.
                prepare = Prepare(self.generation, _text(self.configuration))
                await change_all([member], prepare, self._lose)
            answer = await member.ask(Serve(), ORDER_S)
            if isinstance(answer, Refused):
                raise WorkerFailed(answer.why)
            member.state = "serving"
        await self._uncover(member)

    async def _keep(self, member: Member) -> None:
        """Start a worker again whenever it ends, until the node stops."""
        clock = self.owner.clock
        while True:
            reason = await member.ended()
            self.counts.depart(member)
            member.report = None
            if self._stopping.is_set():
                return
            self.log.event("worker.ended", worker=member.number, reason=reason)
            member.endings.append(clock.monotonic())
            del member.endings[: -MOST_ENDINGS - 1]
            delay = next_start(member.endings, clock.monotonic())
            if delay is None:
                self.crew.give_up(
                    WorkerFailed(
                        f"worker {member.number} ended more than {MOST_ENDINGS} times within"
                        f" {WINDOW_S:g} s, at last: {reason}"
                    )
                )
                return
            await self._cover(member)
            await asyncio.sleep(delay)
            if self._stopping.is_set():
                return
            try:
                await self._start(member)
            except TidegateError as error:
                self.log.event("worker.failed", worker=member.number, error=str(error))
                member.kill()
            else:
                self.log.event("worker.started", worker=member.number, pid=member.pid)

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        """Give up when a worker is no longer looked after, which is a fault of ours."""
        error = None if keeping.cancelled() else keeping.exception()
        if error is not None:
            self.crew.give_up(WorkerFailed(f"a worker is no longer looked after: {error!r}"))

    async def _cover(self, member: Member) -> None:
        """Have the others accept what comes to the socket of one that is not there."""
        if member.number not in self._covered:
            self._covered.add(member.number)
            await self._tell_all(Cover(member.number), besides=member)

    async def _uncover(self, member: Member) -> None:
        self._covered.discard(member.number)
        await self._tell_all(Uncover(member.number), besides=member)
        for missing in self._covered:
            with contextlib.suppress(WorkerLost):
                await member.ask(Cover(missing), ORDER_S)

    async def _tell_all(self, order: Order, besides: Member | None = None) -> None:
        async def one(member: Member) -> None:
            with contextlib.suppress(WorkerLost):
                await member.ask(order, ORDER_S)

        await asyncio.gather(*(one(each) for each in self._present() if each is not besides))

    async def _hurry(self) -> None:
        await self._tell_all(Stop(hurry=True))
        await asyncio.sleep(HURRY_S)
        for member in self.members:
            member.kill()

    def _lose(self, member: Member, why: str) -> None:
        """End a worker that does not follow; another takes its place."""
        if self._stopping.is_set():
            return
        self.log.event("worker.lost", worker=member.number, why=why)
        member.kill()

    def _serving(self) -> list[Member]:
        return [member for member in self.members if member.state == "serving"]

    def _present(self) -> list[Member]:
        return [member for member in self.members if member.state != "ended"]

    def _unserved(self) -> dict[str, str]:
        ready = [member.ready for member in self.members if member.ready is not None]
        return {name: why for one in ready for name, why in one.unserved.items()}

    def _held_back(self) -> dict[str, str]:
        ready = [member.ready for member in self.members if member.ready is not None]
        return {name: why for one in ready for name, why in one.held_back.items()}


@asynccontextmanager
async def running_supervisor(
    configuration: Configuration,
    state: Path,
    log: Log,
    reread: Callable[[], Configuration],
    crew: Crew,
) -> AsyncIterator[Supervisor]:
    """Run a node of several workers for the length of a block; raises as `running_node` does."""
    if sys.platform != "linux":
        raise ConfigError("several workers need Linux, where sockets share a port; leave `workers`")
    async with AsyncExitStack() as stack:
        data = configuration.data
        sockets = bind_each(data.host, data.port, crew.workers)
        for one in sockets:
            stack.callback(one.close)
        admin = bind_admin(configuration)
        stack.callback(admin.close)
        owner = await open_owner(stack, state, log)
        urgent = asyncio.Event()
        node = Supervisor(
            owner,
            log,
            crew,
            configuration,
            configuration,
            sockets,
            [Member(number, urgent.set) for number in range(crew.workers)],
            port=sockets[0].getsockname()[1],
            admin_port=port_of(configuration, admin),
        )
        upkeep = Upkeep(log)
        stack.push_async_callback(upkeep.stop)
        operations = _operations(node, reread)
        await start_admin(stack, owner, operations, configuration, admin)
        stack.push_async_callback(node.stop)
        await node.start()
        await start_jobs(upkeep, owner, lambda: node.configuration, node.rebuild)
        start_learner(
            stack, upkeep, owner, lambda: node.configuration, node.rebuild, node.golden_texts
        )
        reach = Reach(node.revoke, node.restore, node.rebuild)
        overseer = start_overseer(stack, upkeep, owner, lambda: node.configuration, reach)

        node.exchange = start_exchange(
            stack, upkeep, owner, lambda: node.configuration, reach, node.golden_texts
        )

        async def hasten() -> None:
            await urgent.wait()
            urgent.clear()
            await overseer.round()

        upkeep.every(0.0, "urgent labels", hasten)
        upkeep.every(LOOK_EVERY_S, "workers", node.watch)
        yield node


def _operations(node: Supervisor, reread: Callable[[], Configuration]) -> Operations:
    async def metrics() -> tuple[bytes, str]:
        return await node.metrics(), CONTENT_TYPE

    async def reload() -> Mapping[str, object]:
        return await node.reload(reread)

    return Operations(metrics, reload, node.status)


def _text(configuration: Configuration) -> Text:
    return Text(configuration.content, configuration.source, str(configuration.folder))


def _described(member: Member) -> dict[str, object]:
    report = member.report
    return {
        "worker": member.number,
        "pid": member.pid,
        "state": member.state,
        "generation": None if report is None else report.generation,
        "in_flight": None if report is None else report.in_flight,
        "rss_bytes": None if report is None else report.resident_bytes,
        "restarts": max(0, member.starts - 1),
    }
