"""What the gateway's stages meet in these tests: a clock by hand, ids, upstreams that obey."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tidegate.domain.answer import Answer, Usage
from tidegate.domain.identity import SCOPES, Identity, Scope
from tidegate.domain.plan import Candidate, Plan
from tidegate.domain.price_table import PriceTable
from tidegate.domain.request import CacheWish, Chat, Context, Dialect, Request
from tidegate.domain.route import CachePolicy, Route, Target
from tidegate.domain.zone import Place
from tidegate.errors import UpstreamError
from tidegate.gateway.generation import Generation
from tidegate.gateway.record import Draft
from tidegate.ports.upstream import Batch, Upstream, UpstreamCall
from tidegate.routing.table import route_table
from tidegate.wire.sse import DONE, event

NEAR = Place("region", "eu", "eu")
FAR = Place("central", "us", "us")
HERE = Place("pop", "eu", "eu")
BODY = b'{"model":"assistant","messages":[{"role":"user","content":"Hi"}],"temperature":0}'
ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"real","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
)


@dataclass
class ManualClock:
    """Implements `ports.Clock`; stands still until a test moves it."""

    wall: float = 1_800_000_000.0
    ticks: float = 100.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


def text_batch(text: str) -> Batch:
    chunk = b'{"id":"c","model":"real","choices":[{"index":0,"delta":{"content":"%s"}}]}'
    return Batch((event(chunk % text.encode()),), has_token=True, is_end=False)


def end_batch() -> Batch:
    finish = event(b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
    return Batch((finish, DONE), has_token=True, is_end=True)


@dataclass
class FakeStream:
    """Implements `ports.UpstreamStream`: gives its batches, then raises or ends."""

    given: Sequence[Batch]
    error: Exception | None = None
    model: str = "real"
    usage: Usage | None = None
    lossy: tuple[str, ...] = ()
    may_store: bool = True
    connect_s: float | None = None
    closed: int = 0

    async def batches(self) -> AsyncIterator[Batch]:
        for batch in self.given:
            yield batch
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        self.closed += 1


@dataclass
class FakeUpstream:
    """Implements `ports.Upstream`; what it gives is taken from `outcomes`, the last one again."""

    name: str = "far"
    place: Place = FAR
    outcomes: list[Answer | FakeStream | Exception] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None
    calls: list[UpstreamCall] = field(default_factory=list)
    closed: int = 0

    @property
    def native(self) -> frozenset[Dialect]:
        return frozenset({"openai"})

    async def open(self) -> None:
        """Nothing to open."""

    async def call(self, call: UpstreamCall) -> Answer:
        outcome = await self._next(call)
        assert isinstance(outcome, Answer)
        return outcome

    async def stream(self, call: UpstreamCall) -> FakeStream:
        outcome = await self._next(call)
        assert isinstance(outcome, FakeStream)
        return outcome

    async def models(self, deadline: float) -> Sequence[str]:
        del deadline
        return ["real"]

    async def close(self) -> None:
        self.closed += 1

    async def _next(self, call: UpstreamCall) -> Answer | FakeStream:
        self.calls.append(call)
        if self.before is not None:
            await self.before()
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


COUNTED = Usage(10, 2)


def answer(usage: Usage | None = COUNTED, *, may_store: bool = True) -> Answer:
    return Answer(ANSWER, "real", usage, may_store=may_store)


def failing(message: str = "broke") -> UpstreamError:
    return UpstreamError("far", message)


def a_generation(*upstreams: Upstream, number: int = 1, cached: bool = False) -> Generation:
    policy = CachePolicy(is_on=cached)
    route = Route(
        name="assistant",
        models=("assistant",),
        targets=tuple(Target(one.name, "") for one in upstreams),
        deadline_s=30.0,
        caches=(("chat", policy), ("embeddings", policy), ("decisions", policy)),
    )
    return Generation(
        number=number,
        content="hash",
        place=HERE,
        routes=route_table([route]),
        rules={},
        answer_content={"assistant": "content"},
        upstreams={one.name: one for one in upstreams},
        places={one.name: one.place for one in upstreams},
        tasks={},
        encoder=None,
        prices=PriceTable("2026-01-01", {}),
    )


def a_request(
    *,
    stream: bool = False,
    tenant: str = "default",
    scopes: Sequence[Scope] = SCOPES,
    allowed_s: float | None = None,
    wish: CacheWish | None = None,
    max_tokens: int | None = None,
    traceparent: str | None = None,
) -> Request:
    context = Context(
        request_id="0" * 31 + "1",
        identity=Identity(tenant, "k-1", "client", frozenset(scopes)),
        received_at=1_800_000_000.0,
        started=100.0,
        allowed_s=allowed_s,
        cache=wish or CacheWish(),
        traceparent=traceparent,
    )
    ask = Chat("Hi", 2, stream=stream, temperature=0.0, max_tokens=max_tokens)
    return Request("chat", "assistant", BODY, ask, context)


def a_draft(generation: Generation, request: Request | None = None) -> Draft:
    made = Draft(request or a_request(), generation)
    made.route = generation.routes.by_model["assistant"]
    made.deadline = 130.0
    return made


def candidate(
    name: str = "far", place: Place = FAR, first_token_s: float | None = None
) -> Candidate:
    return Candidate(name, "real", place, first_token_s)


def a_plan(*candidates: Candidate) -> Plan:
    return Plan(candidates, "ordered")


async def for_ever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()
