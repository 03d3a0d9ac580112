"""Turns a configuration into a generation, building beside what serves and reusing what it can."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import msgspec

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.bundles.pins import PinFile
from tidegate.adapters.catalog import load as load_adapter
from tidegate.adapters.http.httptools_client.client import HttptoolsClient
from tidegate.adapters.stores.price_file import load_prices
from tidegate.api.arrival import Limits
from tidegate.bundles.rollout import choose_for
from tidegate.config.configuration import Configuration, ConfiguredUpstream
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.price_table import PriceTable
from tidegate.domain.route import Route
from tidegate.domain.task import Task
from tidegate.errors import BundleError, StateError
from tidegate.gateway.generation import Generation
from tidegate.gateway.learned import Learned
from tidegate.node.learning import Load
from tidegate.node.verified import read_verified
from tidegate.ports.clock import Clock
from tidegate.ports.encoder import Encoder, StaticTable
from tidegate.ports.upstream import Upstream
from tidegate.routing.rules import compile_rules
from tidegate.routing.table import route_table
from tidegate.tasks.classify import LoadedTask, join
from tidegate.tasks.scores import fuse

Version = tuple[str, str]
"""Name and version of a bundle."""

Checked = tuple[Bundle, float]
"""A bundle that may serve here, and how far its golden scores are off."""


@dataclass(frozen=True, slots=True)
class Built:
    """A generation, what it was built from, and the tasks that cannot answer here, with why."""

    generation: Generation
    configuration: Configuration
    unserved: Mapping[str, str]
    held_back: Mapping[str, str]
    """Tasks of which an older version serves, with what is wrong with the newer one."""
    limits: Limits
    pool: Mapping[str, tuple[ConfiguredUpstream, Upstream]]
    """Upstreams by name, with what each was made from."""
    bundles: Mapping[Version, Checked]
    """Those in use by name and version, read and checked."""

    def digest(self) -> str:
        """Hash what decides answers: two processes that built the same give the same."""
        parts = [self.generation.content, self.generation.answer_content, sorted(self.unserved)]
        return sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


@dataclass(frozen=True, slots=True)
class _Found:
    """Tasks by name: what answers, and why something does not."""

    loaded: dict[str, LoadedTask]
    unserved: dict[str, str]
    held_back: dict[str, str]


def make_upstream(
    configured: ConfiguredUpstream, configuration: Configuration, clock: Clock
) -> Upstream:
    """Make the adapter of a configured upstream with a connection pool of its own, unopened."""
    return load_adapter(configured.adapter).build(
        configured.settings,
        secret=configured.secret,
        http=HttptoolsClient(configured.settings, configuration.proxies),
        clock=clock,
    )


class Workshop:
    """Builds generations; reuses upstreams whose settings did not change.

    What was built is handed back by `adopt` or by `abandon`, one at a time.
    """

    # One argument for each part of the node that a generation is built from.
    def __init__(  # noqa: PLR0913
        self,
        clock: Clock,
        encoder: Encoder,
        bundles: BundleFolder,
        pins: PinFile,
        learned: Callable[[Configuration, Load], Awaitable[Learned]],
        guarantee: Callable[[str], Guarantee | None],
        *,
        static: StaticTable | None,
    ) -> None:
        """The engines are shared by all generations; `learned` gives what traffic taught.

        `guarantee` gives the newest verdict on a task.
        """
        self._guarantee = guarantee
        self._learned = learned
        self._clock = clock
        self._encoder = encoder
        self._static = static
        self._bundles = bundles
        self._pins = pins
        self._pool: Mapping[str, tuple[ConfiguredUpstream, Upstream]] = {}
        self._checked: Mapping[Version, Checked] = {}
        self._prices: PriceTable | None = None

    async def build(
        self, configuration: Configuration, number: int, *, strict: bool, keep: bool = False
    ) -> Built:
        """Build and open everything that a configuration names, beside what serves now.

        With `strict` a task whose bundle cannot be used is an error; without, it goes unserved.
        With `keep`, bundles and prices in use are taken as they were checked.
        """
        known = self._prices if keep else None
        prices = load_prices(configuration.prices) if known is None else known
        checked = dict(self._checked) if keep else {}
        found = await self._tasks(configuration.tasks, checked, strict=strict)
        tasks = found.loaded
        learned = await self._learned(configuration, partial(self._load, checked=checked))
        loaded = (*tasks.values(), *learned.tasks.values())
        routes = configuration.routes
        pool = await self._open_upstreams(configuration)
        upstreams = {name: upstream for name, (_, upstream) in pool.items()}
        generation = Generation(
            number=number,
            content=configuration.content_hash,
            place=configuration.place,
            routes=route_table(routes),
            rules={route.name: compile_rules(route.rules) for route in routes if route.rules},
            answer_content={
                route.name: self._answer_content(route, configuration, tasks, learned)
                for route in routes
            },
            upstreams=upstreams,
            places={name: upstream.place for name, upstream in upstreams.items()},
            tasks=tasks,
            heads=fuse({one.bundle.content_hash: one.bundle.head for one in loaded}),
            encoder=self._encoder,
            static=self._static,
            prices=prices,
            learned=learned,
            trace_share=configuration.tracing.policy.share if configuration.tracing else None,
            batches=configuration.batches,
        )
        used = {(one.bundle.name, one.bundle.version): (one.bundle, one.margin) for one in loaded}
        return Built(
            generation,
            configuration,
            found.unserved,
            found.held_back,
            _limits(configuration),
            pool,
            used,
        )

    def adopt(self, built: Built) -> None:
        """Take what was built as what is in use."""
        self._pool = built.pool
        self._prices = built.generation.prices
        self._checked = built.bundles

    async def abandon(self, built: Built) -> None:
        """Close what was opened for something that will not serve."""
        for name, (_, upstream) in built.pool.items():
            known = self._pool.get(name)
            if known is None or known[1] is not upstream:
                await upstream.close()

    async def discard(self, former: Generation, current: Generation) -> None:
        """Close the upstreams that only the former generation used."""
        for name, upstream in former.upstreams.items():
            if current.upstreams.get(name) is not upstream:
                await upstream.close()

    async def close(self) -> None:
        """Close all upstreams."""
        for _, upstream in self._pool.values():
            await upstream.close()

    async def _open_upstreams(
        self, configuration: Configuration
    ) -> dict[str, tuple[ConfiguredUpstream, Upstream]]:
        """Open what is new and keep what did not change; on an error nothing new stays open."""
        used: dict[str, tuple[ConfiguredUpstream, Upstream]] = {}
        async with AsyncExitStack() as opened:
            for configured in configuration.upstreams:
                name = configured.settings.name
                known = self._pool.get(name)
                if known is None or known[0] != configured:
                    upstream = make_upstream(configured, configuration, self._clock)
                    opened.push_async_callback(upstream.close)
                    await upstream.open()
                    known = configured, upstream
                used[name] = known
            opened.pop_all()
        return used

    async def _tasks(
        self, tasks: Sequence[Task], checked: dict[Version, Checked], *, strict: bool
    ) -> _Found:
        found = _Found({}, {}, {})
        pins = self._pins.load()
        for task in tasks:
            choice = choose_for(
                task,
                pins.get(task.bundle),
                self._guarantee(task.name),
                self._bundles.versions(task.bundle),
            )
            await self._find(task, choice.versions, checked, found)
            why = found.unserved.get(task.name)
            if strict and why is not None and choice.versions:
                raise BundleError(why)
        return found

    async def _find(
        self,
        task: Task,
        versions: Sequence[str],
        checked: dict[Version, Checked],
        found: _Found,
    ) -> None:
        """Load the first version that passes its checks, and note why others before it did not."""
        why: str | None = None
        for version in versions:
            try:
                found.loaded[task.name] = await self._load(task, version, checked=checked)
            except (BundleError, StateError) as error:
                why = why or str(error)
                continue
            if why is not None:
                found.held_back[task.name] = f"{version} serves: {why}"
            return
        found.unserved[task.name] = why or f"there is no bundle `{task.bundle}` yet"

    async def _load(
        self, task: Task, version: str, *, checked: dict[Version, Checked]
    ) -> LoadedTask:
        """Join a task with a version of its bundle; what was checked is not read again."""
        key = task.bundle, version
        if key not in checked:
            checked[key] = await read_verified(self._bundles, *key, self._encoder, self._static)
        bundle, margin = checked[key]
        return join(
            task,
            bundle,
            margin=margin,
            guarantee=self._guarantee(task.name),
            table=None if self._static is None else self._static.fingerprint,
        )

    def _answer_content(
        self,
        route: Route,
        configuration: Configuration,
        tasks: Mapping[str, LoadedTask],
        learned: Learned,
    ) -> str:
        """Hash what can alter the answers of a route, for cache keys."""
        used = {target.upstream for target in route.targets}
        parts = [
            self._encoder.fingerprint,
            route,
            [one.settings for one in configuration.upstreams if one.settings.name in used],
            [
                (tasks[name].task, tasks[name].bundle.version, tasks[name].guarantee)
                for name in route.tasks
                if name in tasks
            ],
            [
                (owner.key, verdict.bundle_version, verdict.granted_at, verdict.state)
                for owner, verdict in learned.verdicts.items()
                if route.learns
            ],
        ]
        return sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _limits(configuration: Configuration) -> Limits:
    limits = configuration.limits
    return Limits(
        body_bytes=limits.body_bytes,
        body_s=limits.body_s,
        upload_bytes=limits.upload_bytes,
        upload_s=limits.upload_s,
        questions=limits.questions,
        inputs=limits.inputs,
        in_flight=limits.in_flight,
    )
