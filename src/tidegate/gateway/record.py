"""Collects what happened to one request and writes its record, exactly once.

The record goes to the journal before the last byte of the answer leaves; access log and metrics
follow from the same record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from tidegate.domain.answer import Source, Usage
from tidegate.domain.encoding import Encoding
from tidegate.domain.guarantee import Grant
from tidegate.domain.plan import Attempt, Candidate
from tidegate.domain.question import Decision, QuestionTrace, Refusal
from tidegate.domain.record import AbortPhase, CacheState, Kind, Phases, Record
from tidegate.domain.request import Request
from tidegate.domain.route import Route
from tidegate.domain.zone import DISTANCE, Place
from tidegate.errors import TidegateError
from tidegate.gateway.encodings import Encodings
from tidegate.gateway.generation import Generation
from tidegate.ledger.cost import cost, quote
from tidegate.ports.clock import Clock
from tidegate.ports.encoder import Encoder
from tidegate.ports.records import Journal
from tidegate.tasks.chat_question import ChatQuestion
from tidegate.telemetry.trace_ids import is_sampled

OK = 200
CLIENT_LEFT = 499
"""Status of a record whose client left before an answer began (nginx's code for it)."""

INTERNAL_ERROR = 500

_NO_PARENT = (None, None, None, None)


class Observer(Protocol):
    """Whoever wants to know of finished requests: access log, metrics."""

    def observe(self, record: Record) -> None:
        """Take note of one record; must not raise."""
        ...


@dataclass(slots=True, eq=False)
class Draft:
    """A record in the making; stages fill in what they decided."""

    request: Request
    generation: Generation
    kind: Kind = "request"
    route: Route | None = None
    deadline: float = 0.0
    """Monotonic seconds after which nobody waits for the answer; set with the route."""
    source: Source | None = None
    place: Place | None = None
    upstream: str | None = None
    model: str | None = None
    task: str | None = None
    confidence: float | None = None
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    questions: tuple[QuestionTrace, ...] = ()
    answers: tuple[Decision | Refusal, ...] = ()
    """What came out, in the order of the questions."""
    encoding: Encoding | None = None
    """Of the text, where a head looked."""
    promised: tuple[Grant, ...] = ()
    """Guarantees under which parts of the answer were given, here and now or once before."""
    chat: ChatQuestion | None = None
    """The question that a chat request asks, where it is one and the route learns."""
    whole: bytes | None = None
    """A cached chat answer before it is spelled out as a stream."""
    lot: float = 1.0
    """Drawn before any head looked: the request belongs to audit samples of a greater share."""
    usage: Usage | None = None
    """Of the whole answer, whoever gave its parts."""
    paid: Usage | None = None
    """The part of it that the last attempt used; None: no upstream has answered. What attempts
    before it may have used stands on them."""
    cache: CacheState = "off"
    cache_age_s: float | None = None
    cache_ttl_s: float | None = None
    lossy: tuple[str, ...] = ()
    cache_s: float | None = None
    local_s: float | None = None
    queue_s: float | None = None
    stream_s: float | None = None
    encode_s: float | None = None
    encodings: Encodings | None = None
    """What the encoder said about this request's texts, once a stage has asked it."""
    windows: int | None = None
    truncated: int | None = None
    is_recorded: bool = False

    @property
    def allowed_s(self) -> float:
        """Seconds that the whole request may take."""
        return self.deadline - self.request.context.started

    @property
    def region(self) -> str:
        """Region that the request counts to, where guarantees part traffic."""
        return self.request.context.region or self.generation.place.region

    def answered_upstream(self, candidate: Candidate, model: str) -> None:
        """Note the upstream that gave the answer, or its farthest part."""
        self.source = "upstream"
        self.place = candidate.place
        self.upstream = candidate.upstream
        self.model = model

    def read_with(self, encoder: Encoder | None, clock: Clock) -> Encodings | None:
        """Give the holder of this request's encodings; None where there is no encoder."""
        if self.encodings is None and encoder is not None:
            self.encodings = Encodings(encoder, self.deadline, clock, self.generation.static)
        return self.encodings

    def note(self, encodings: Encodings) -> None:
        """Note what encoding has taken so far; static embeddings are no runs of the encoder."""
        self.local_s, self.queue_s = encodings.local_s, encodings.queue_s
        self.windows = encodings.windows or None


class Recorder:
    """Turns drafts into records and hands them on."""

    def __init__(self, clock: Clock, journal: Journal, observers: Sequence[Observer]) -> None:
        """`observers` are told after the journal has the record."""
        self._clock = clock
        self._journal = journal
        self._observers = tuple(observers)

    def write(
        self,
        draft: Draft,
        *,
        status: int,
        error: TidegateError | None = None,
        abort_phase: AbortPhase | None = None,
    ) -> Record | None:
        """Write the record; gives None when it had been written before."""
        if draft.is_recorded:
            return None
        draft.is_recorded = True
        record = self._record(draft, status, error, abort_phase)
        self.put(record)
        return record

    def put(self, record: Record) -> None:
        """Hand on a record that is complete."""
        self._journal.append(record)
        for observer in self._observers:
            observer.observe(record)

    def _record(
        self,
        draft: Draft,
        status: int,
        error: TidegateError | None,
        abort_phase: AbortPhase | None,
    ) -> Record:
        request = draft.request
        context = request.context
        duration = self._clock.monotonic() - context.started
        answered = draft.usage or Usage(0, 0)
        usage = sum((one.usage for one in draft.attempts if one.usage is not None), answered)
        attempts = _priced(draft)
        parent = context.traceparent
        _, trace_id, parent_span_id, _ = parent.split("-") if parent else _NO_PARENT
        return Record(
            request_id=context.request_id,
            time=context.received_at,
            tenant=context.identity.tenant,
            key_id=context.identity.key_id,
            surface=request.surface,
            model_asked=request.model,
            route=draft.route.name if draft.route else "",
            status=status,
            source=draft.source,
            tier=draft.place.tier if draft.place else None,
            region=draft.place.region if draft.place else None,
            upstream=draft.upstream,
            model=draft.model,
            task=draft.task,
            confidence=draft.confidence,
            reason=draft.reason,
            stream=request.stream,
            duration_s=duration,
            overhead_s=max(0.0, duration - _waited(draft)),
            phases=_phases(draft),
            attempts=attempts,
            questions=draft.questions,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            usage_is_estimated=usage.is_estimated,
            cost_micro_usd=sum([one.cost_micro_usd for one in attempts]),
            cost_is_estimated=any(one.cost_is_estimated for one in attempts),
            central_cost_micro_usd=_cost_at_centre(draft, answered),
            cache=draft.cache,
            lossy=draft.lossy,
            generation=draft.generation.number,
            kind=draft.kind,
            client_request_id=context.client_request_id,
            trace_id=trace_id,
            client_rtt_s=context.client_rtt_s,
            abort_phase=abort_phase,
            error=type(error).__name__ if error else None,
            dialect=request.dialect,
            windows=draft.windows,
            truncated=draft.truncated,
            parent_span_id=parent_span_id,
            is_sampled=parent is not None and is_sampled(parent),
        )


def _waited(draft: Draft) -> float:
    """Sum the seconds that went to engines and upstreams, not to Tidegate's own work."""
    upstream = sum(attempt.duration_s for attempt in draft.attempts)
    own_engine = (draft.local_s or 0.0) + (draft.queue_s or 0.0)
    return upstream + own_engine + (draft.stream_s or 0.0)


def _phases(draft: Draft) -> Phases:
    answered = next((one for one in draft.attempts if one.first_byte_s is not None), None)
    connect = answered.connect_s if answered else None
    first_byte = answered.first_byte_s if answered else None
    if first_byte is not None and connect is not None:
        first_byte -= connect
    return Phases(
        parse_s=draft.request.context.parse_s,
        cache_s=draft.cache_s,
        local_s=draft.local_s,
        queue_s=draft.queue_s,
        connect_s=connect,
        first_byte_s=first_byte,
        stream_s=draft.stream_s,
        encode_s=draft.encode_s,
    )


def _priced(draft: Draft) -> tuple[Attempt, ...]:
    """Give the attempts with what each has cost; the last one used what was paid, if anything."""
    attempts = draft.attempts
    if draft.paid is not None and attempts:
        attempts = [*attempts[:-1], replace(attempts[-1], usage=draft.paid)]
    return tuple([_with_cost(draft, one) for one in attempts])


def _with_cost(draft: Draft, attempt: Attempt) -> Attempt:
    if attempt.usage is None:
        return attempt
    # An answer may name the model more exactly than the route does.
    answered_as = draft.model if attempt.usage is draft.paid else None
    names = (attempt.model,) if answered_as is None else (attempt.model, answered_as)
    spent = cost(attempt.usage, quote(draft.generation.prices, names), draft.request.surface)
    return replace(attempt, cost_micro_usd=spent.micro_usd, cost_is_estimated=spent.is_estimated)


def _cost_at_centre(draft: Draft, usage: Usage) -> int | None:
    """Price the same request at the farthest tier of its route; None when that is not known."""
    if draft.route is None or not draft.route.targets:
        return None
    places = draft.generation.places
    farthest = max(draft.route.targets, key=lambda one: DISTANCE[places[one.upstream].tier])
    quoted = quote(draft.generation.prices, (farthest.model or draft.request.model,))
    if not quoted.is_known:
        return None
    return cost(usage, quoted, draft.request.surface).micro_usd
