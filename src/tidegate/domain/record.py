"""The one wide row that is written for each request. No request text, no keys."""

from typing import Literal

import msgspec

from tidegate.domain.answer import Source
from tidegate.domain.passed import RecordedSurface
from tidegate.domain.plan import Attempt
from tidegate.domain.question import QuestionTrace
from tidegate.domain.request import Dialect
from tidegate.domain.zone import Tier

CacheState = Literal["off", "bypass", "miss", "hit", "shared"]
"""`shared`: another request's upstream call, under way at the same moment, served this one."""

AbortPhase = Literal["before_first_byte", "streaming"]

Kind = Literal["request", "audit", "repeat"]
"""`audit`: the upstream labelled what was answered here. `repeat`: it was asked a second time, to
know how far it is from itself. Nobody waits for either; both cost."""


class Phases(msgspec.Struct, frozen=True):
    """Where the time went, in seconds; None where a phase did not happen or cannot be seen."""

    parse_s: float | None = None
    cache_s: float | None = None
    local_s: float | None = None
    queue_s: float | None = None
    connect_s: float | None = None
    first_byte_s: float | None = None
    stream_s: float | None = None
    encode_s: float | None = None


class Record(msgspec.Struct, frozen=True):
    """Who asked for what, where it was answered, why, how long it took and what it cost."""

    request_id: str
    time: float
    """Seconds since the epoch, UTC, when the request was received."""
    tenant: str
    key_id: str
    surface: RecordedSurface
    model_asked: str
    route: str
    status: int
    """HTTP status sent; 499 when the client left before there was one."""
    source: Source | None
    tier: Tier | None
    region: str | None
    upstream: str | None
    model: str | None
    task: str | None
    confidence: float | None
    reason: str
    stream: bool
    duration_s: float
    overhead_s: float
    """Time that was not spent waiting for an engine or an upstream."""
    phases: Phases
    attempts: tuple[Attempt, ...]
    questions: tuple[QuestionTrace, ...]
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    usage_is_estimated: bool
    cost_micro_usd: int
    cost_is_estimated: bool
    central_cost_micro_usd: int | None
    """What the farthest tier of the route would have cost; None when its price is unknown."""
    cache: CacheState
    lossy: tuple[str, ...]
    generation: int
    client_request_id: str | None
    trace_id: str | None
    client_rtt_s: float | None
    abort_phase: AbortPhase | None
    error: str | None
    """Name of the error class, when the request failed."""
    dialect: Dialect = "openai"
    """In which the client spoke."""
    kind: Kind = "request"
    windows: int | None = None
    """Runs of this node's encoder, one a window of a text; None when it was not asked."""
    truncated: int | None = None
    """Texts of which the encoder did not read the end; None when there was none."""
    parent_span_id: str | None = None
    """The caller's span; `trace_id` is then the caller's too. Else there is one only where this
    node traces, and its id is the request id."""
    is_sampled: bool = False
    """The caller said that it keeps the trace."""
