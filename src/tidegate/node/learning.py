"""Puts learning together: label store, collector, audit calls. Idle where no route learns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace

from tidegate.adapters.sealing import TenantKeys
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.bundles.fingerprint import fingerprint
from tidegate.config.configuration import Configuration
from tidegate.domain.exchange import SharedKeys
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import Owner
from tidegate.domain.learn_policy import AUTOMATIC, LearnPolicy
from tidegate.domain.task import Task
from tidegate.errors import BundleError, StateError
from tidegate.gateway.audit_calls import Auditor
from tidegate.gateway.collect import Collector
from tidegate.gateway.learned import Learned, learned
from tidegate.gateway.watch import Watch
from tidegate.learning.audit import Keys, derive
from tidegate.learning.exchange import may_leave
from tidegate.node.answer_tally import WRITE_EVERY_S as TALLY_EVERY_S
from tidegate.node.answer_tally import AnswerTally
from tidegate.node.label_keeper import WRITE_EVERY_S, LabelKeeper
from tidegate.node.upkeep import Upkeep
from tidegate.ports.log import Log
from tidegate.tasks.classify import LoadedTask

WARN_EVERY_S = 0.25
DRAIN_S = 2.0
"""How long a node that stops goes on making rows of what it has seen."""

Load = Callable[[Task, str], Awaitable[LoadedTask]]
"""Loads one version of a task's bundle; raises BundleError, StateError."""


@dataclass(slots=True)
class LearningParts:
    """What a process that serves needs of learning, for as long as it lives."""

    keeper: LabelKeeper
    guarantees: SqliteGuarantees
    collector: Collector
    keys: Keys
    tally: AnswerTally
    watch: Watch
    is_open: bool = False
    look: Callable[[], Awaitable[object]] | None = None
    """Has guarantees looked at at once, by this process or the supervisor's."""
    learn: Callable[[], Awaitable[bool]] | None = None
    """Has the learner look at once, where it is in this process; tells whether it did anything."""

    async def open_for(self, configuration: Configuration) -> None:
        """Open the label store once a route learns; raises MissingExtra, StateError."""
        if not self.is_open and any(route.learns for route in configuration.routes):
            await self.keeper.open()
            self.is_open = True

    async def verdicts(self) -> Mapping[Owner, Guarantee]:
        """Give the newest verdict of each owner that has one."""
        if not self.is_open:
            return {}
        owners = await self.keeper.owners()
        found = {owner: self.guarantees.load(owner.key) for owner in owners}
        return {owner: one for owner, one in found.items() if one is not None}

    async def shared_keys(self, configuration: Configuration) -> SharedKeys | None:
        """Give the keys of a learner to which this node's rows may go, once it has told them."""
        learner, zone = configuration.learner, configuration.place.zone
        if not self.is_open or learner is None or not may_leave(zone, learner.settings.zone):
            return None
        return await self.keeper.use(lambda store: store.outbox.keys())

    def warn(self) -> None:
        """Write alarms down for the process that owns the state, which looks for them."""
        alarms = self.watch.shifts.alarms
        while alarms:
            self.guarantees.warn(alarms[0].task, alarms[0].granted_at, alarms[0].reason)
            del alarms[0]

    async def close(self) -> None:
        """Make rows of what still waits, for a moment; what is not done by then is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.collector.drain()
        await self.keeper.close()


def make_learning(
    stack: AsyncExitStack,
    configuration: Configuration,
    paths: StatePaths,
    pepper: bytes,
    worker: int,
) -> LearningParts:
    """Make the parts; the label store is opened by `open_for`."""
    keys = derive(pepper)
    guarantees = SqliteGuarantees.open(paths.guarantees)
    stack.callback(guarantees.close)
    keep_rows = configuration.learning.keep_rows
    keeper = LabelKeeper(
        lambda: open_labels(paths, pepper, keep_rows), configuration.learning.automatic_tasks
    )
    watch = Watch()
    tally = AnswerTally(SqliteGuarantees.open(paths.guarantees), watch, worker)
    stack.callback(tally.close)
    parts = LearningParts(keeper, guarantees, Collector(keys, keeper), keys, tally, watch)
    stack.push_async_callback(parts.close)
    return parts


def open_labels(paths: StatePaths, pepper: bytes, keep_rows: int) -> SqliteLabels:
    """Open the label store for writing; raises MissingExtra, StateError."""
    keys = TenantKeys(paths.label_keys)
    secret = derive(pepper).group
    return SqliteLabels.open(paths.labels, keys, secret=secret, keep_rows=keep_rows)


def labels_of(
    paths: StatePaths, configuration: Callable[[], Configuration]
) -> Callable[[], SqliteLabels]:
    """Give what opens the label store as the configuration then in force wants it."""

    def opened() -> SqliteLabels:
        pepper = KeyFile(paths.keys, paths.pepper).load().pepper
        return open_labels(paths, pepper, configuration().learning.keep_rows)

    return opened


def policy_of(configuration: Configuration) -> LearnPolicy:
    """Give what a configuration allows learning to take and to cost."""
    settings = configuration.learning
    named = [(task, task.question) for task in configuration.tasks]
    prints = [(task, None if asked is None else fingerprint(asked)) for task, asked in named]
    return LearnPolicy(
        tasks={print_: task for task, print_ in prints if print_ is not None},
        audit_share=settings.audit_share,
        audits_per_day=settings.audits_per_day,
        audits_at_once=settings.audits_at_once,
        twice_share=settings.twice_share,
        automatic_tasks=settings.automatic_tasks,
        feedback_days=settings.feedback_days,
        keep_text=configuration.keep_text,
        role=settings.role,
        roles=configuration.learn_roles,
    )


async def learned_now(
    parts: LearningParts, configuration: Configuration, load: Load, log: Log
) -> Learned:
    """Load what guarantees allow to answer; what cannot be loaded goes up, and is logged."""
    await parts.open_for(configuration)
    policy = replace(policy_of(configuration), shared=await parts.shared_keys(configuration))
    verdicts = await parts.verdicts()
    parts.keeper.verdicts = verdicts
    tasks: dict[Owner, LoadedTask] = {}
    by_name = {task.name: task for task in configuration.tasks}
    for owner, verdict in verdicts.items():
        known = by_name.get(owner.task)
        if verdict.state != "granted" or not (known or owner.task.startswith(AUTOMATIC)):
            continue
        task = replace(
            known or Task(owner.task, owner.key),
            bundle=owner.key,
            threshold=None,
            unguaranteed=False,
        )
        try:
            loaded = await load(task, verdict.bundle_version)
        except (BundleError, StateError) as error:
            log.event("learned.unserved", task=owner.key, error=str(error))
            continue
        if loaded.bundle.content_hash == verdict.bundle:
            tasks[owner] = replace(loaded, guarantee=verdict)
    return learned(policy, tasks, verdicts, parts.watch)


def start_collecting(
    upkeep: Upkeep, parts: LearningParts, auditor: Auditor, configuration: Configuration
) -> None:
    """Begin the background work of a process that serves; it idles where no route learns."""

    async def write() -> None:
        if parts.is_open:
            await parts.keeper.write()

    async def hasten() -> None:
        await parts.keeper.urgent.wait()
        parts.keeper.urgent.clear()
        await write()
        if parts.look is not None:
            await parts.look()

    upkeep.every(0.0, "labels", parts.collector.work)
    upkeep.every(0.0, "urgent labels", hasten)
    for number in range(configuration.learning.audits_at_once):
        upkeep.every(0.0, f"audits {number}", auditor.work)

    async def warn() -> None:
        parts.warn()

    upkeep.every(WRITE_EVERY_S, "label store", write)
    upkeep.every(TALLY_EVERY_S, "answers", parts.tally.write)
    upkeep.every(WARN_EVERY_S, "shift alarms", warn)
