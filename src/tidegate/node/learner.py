"""Fits, tests and grants from what traffic has labelled: one task after another, one fit at a time.

A killed process loses nothing and forgets nothing: a bundle is there whole or not, an attempt is
written down before a test row is looked at, and only a saved verdict makes a bundle serve.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TypeVar

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.bundles.golden import TEXTS
from tidegate.config.configuration import Configuration
from tidegate.domain.label import FitMark, LabelCounts, Owner
from tidegate.domain.learn_policy import AUTOMATIC
from tidegate.errors import FitError, StateError
from tidegate.learning.feedback import fitting
from tidegate.learning.rows import options
from tidegate.learning.schedule import Progress, is_due
from tidegate.learning.traffic import material
from tidegate.node.fitting import Order, Texts, fit_rows
from tidegate.node.granting import Desk, Wish, grant
from tidegate.node.learning import labels_of, policy_of
from tidegate.node.owner import Owner as StateOwner
from tidegate.node.owner import Rebuild
from tidegate.node.promised import promise_of
from tidegate.node.upkeep import Upkeep
from tidegate.ports.clock import Clock
from tidegate.ports.encoder import Encoder
from tidegate.ports.log import Log

T = TypeVar("T")

LOOK_EVERY_S = 0.5
PRUNE_EVERY_S = 600.0


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """What the learner works with."""

    clock: Clock
    labels: Callable[[], SqliteLabels]
    """Opens the label store."""
    guarantees: SqliteGuarantees
    bundles: BundleFolder
    texts: Callable[[], Awaitable[Texts]]
    """Encodes the golden texts."""
    rebuild: Rebuild
    log: Log


@dataclass(slots=True)
class Learner:
    """Looks at each task that learns, again and again."""

    shop: Shop
    configuration: Callable[[], Configuration]
    _store: SqliteLabels | None = None
    _texts: Texts | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _seen: dict[Owner, LabelCounts] = field(default_factory=dict)
    """Counts at the last fit of each owner, one that was refused included."""
    _stopping: Event = field(default_factory=Event)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="learner")
    )

    async def round(self) -> bool:
        """Look at all tasks once; tells whether anything was fitted or changed."""
        configuration = self.configuration()
        if not any(route.learns for route in configuration.routes):
            return False
        if self._texts is None:
            self._texts = await self.shop.texts()
        did = False
        async with self._looking:
            for wish in await self._run(lambda: self._wishes(configuration)):
                did = await self._look_at(wish, self._texts) or did
        return did

    async def prune(self) -> None:
        """Drop labels that are too old or too many."""
        settings = self.configuration().learning
        now = self.shop.clock.now()

        def pruned() -> None:
            if self._store is not None:
                self._store.prune(now, days=settings.keep_days)
                self._store.answers.prune(
                    now, days=settings.keep_days, waiting_days=settings.feedback_days
                )

        await self._run(pruned)

    async def close(self) -> None:
        """End a fit that is under way, and close the store."""
        self._stopping.set()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    async def _look_at(self, wish: Wish, texts: Texts) -> bool:
        """Bring one task as far as its labels allow."""
        if not wish.may_fit:
            return False
        due = await self._run(lambda: self._due(wish, texts))
        if due is None:
            return False
        try:
            why = await self._run(lambda: self._fit_and_test(wish, due, texts))
        except FitError as error:
            self.shop.log.event("learn.refused", task=wish.owner.key, error=str(error))
            return True
        if why:
            await self.shop.rebuild(why)
        return True

    def _wishes(self, configuration: Configuration) -> list[Wish]:
        """List what is to be learned: configured tasks and questions without one."""
        if self._store is None:
            self._store = self.shop.labels()
        known = {task.name for task in configuration.tasks}
        policy = policy_of(configuration)
        return [
            Wish(
                owner,
                question,
                promise_of(configuration, owner, question),
                policy.audit_share,
                may_fit=policy.role_of(owner.task) == "learn",
            )
            for owner, question in self._store.questions().items()
            if owner.task in known or owner.task.startswith(AUTOMATIC)
        ]

    def _due(self, wish: Wish, texts: Texts) -> LabelCounts | None:
        """Give the counts when it is time to fit."""
        store = self._opened()
        counts = store.counts(wish.owner, texts.encoder)
        marks = store.fits(wish.owner)
        last = marks[-1] if marks else None
        seen = self._seen.get(wish.owner)
        if seen is not None and counts.useful < seen.useful:
            # Some were purged, or grew too old: what was refused then may do now.
            del self._seen[wish.owner]
            seen = None
        progress = Progress(
            counts,
            fit_at_last=max(last.fit_rows if last else 0, seen.fit if seen else 0),
            measuring_at_last=max(
                last.measuring_rows if last else 0, seen.measuring if seen else 0
            ),
            lacking=self._lacking(wish),
            is_stale=last is not None and last.is_stale,
        )
        return counts if is_due(progress) else None

    def _fit_and_test(self, wish: Wish, counts: LabelCounts, texts: Texts) -> str | None:
        """Fit, and grant what the test rows allow; gives why what serves is to be built anew."""
        self._seen[wish.owner] = counts
        store, key = self._opened(), wish.owner.key
        if store.outbox.has_foreign(wish.owner):
            raise FitError(
                f"Labels of `{key}` were collected here for another learner, under its keys, so a"
                " text could fit and test. Begin anew: tidegate labels purge --only-here --tenant"
                " NAME; or restore the learner's backup here."
            )
        rows = store.rows(wish.owner, texts.encoder)
        said = fitting(rows, store.answers.stated(wish.owner, texts.encoder))
        made = material([*rows, *said], options(wish.question))
        bundle = fit_rows(
            Order(key, wish.question, self.shop.clock.now()),
            made,
            texts,
            bundles=self.shop.bundles,
            report=self._report,
        )
        store.mark_fitted(
            FitMark(
                wish.owner,
                bundle.version,
                last_row=counts.newest,
                fitted_at=bundle.created,
                fit_rows=counts.fit,
                measuring_rows=counts.measuring,
            )
        )
        self.shop.log.event("learn.fitted", task=key, version=bundle.version, rows=len(rows))
        wish = replace(wish, must_replace=self._serves_stale(wish))
        return grant(self._desk(), wish, made, bundle, counts)

    def _opened(self) -> SqliteLabels:
        if self._store is None:
            raise StateError("the label store is not open")
        return self._store

    def _lacking(self, wish: Wish) -> int | None:
        """Give what the newest verdict said is missing, where nothing serves."""
        verdict = self.shop.guarantees.load(wish.owner.key)
        if verdict is None or verdict.state != "none" or verdict.infeasible is None:
            return None
        return verdict.infeasible.further_requests

    def _serves_stale(self, wish: Wish) -> bool:
        """Tell whether what serves was fitted on rows that have been purged."""
        verdict = self.shop.guarantees.load(wish.owner.key)
        stale = {mark.version for mark in self._opened().fits(wish.owner) if mark.is_stale}
        return verdict is not None and verdict.bundle_version in stale

    def _desk(self) -> Desk:
        shop, store = self.shop, self._opened()
        return Desk(shop.clock, store, shop.guarantees, shop.bundles, shop.log)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _report(self, _done: int, _total: int) -> None:
        """End a fit when the node stops: the child is ended on the way out."""
        if self._stopping.is_set():
            raise FitError("The node stops.")


async def golden_texts(encoder: Encoder) -> Texts:
    """Encode the texts by which every bundle is checked."""
    return Texts(encoder.fingerprint, [await encoder.encode(text) for text in TEXTS])


def start_learner(
    stack: AsyncExitStack,
    upkeep: Upkeep,
    owner: StateOwner,
    configuration: Callable[[], Configuration],
    rebuild: Rebuild,
    texts: Callable[[], Awaitable[Texts]],
) -> Learner:
    """Begin learning in the process that owns the state; idle where no route learns.

    `texts` encodes the golden texts; it is asked once, when a route learns.
    """
    paths = owner.paths
    guarantees = SqliteGuarantees.open(paths.guarantees)
    stack.callback(guarantees.close)

    labels = labels_of(paths, configuration)
    shop = Shop(
        owner.clock, labels, guarantees, BundleFolder(paths.bundles), texts, rebuild, owner.log
    )
    learner = Learner(shop, configuration)
    stack.push_async_callback(learner.close)

    async def look() -> None:
        await learner.round()

    upkeep.every(LOOK_EVERY_S, "learner", look)
    upkeep.every(PRUNE_EVERY_S, "label retention", learner.prune)
    return learner
