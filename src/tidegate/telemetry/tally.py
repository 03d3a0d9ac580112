"""What is counted of requests: one wide cell for each combination of closed label values.

A request finds its cell by one key and adds to it; which metrics that makes, with fewer labels
each, is worked out when somebody looks (`families.py`). So counting costs a request one look-up.
"""

from dataclasses import dataclass, field
from operator import attrgetter

from tidegate.domain.answer import Source
from tidegate.domain.passed import RecordedSurface
from tidegate.domain.plan import Outcome
from tidegate.domain.record import AbortPhase, CacheState
from tidegate.domain.request import Dialect
from tidegate.domain.zone import Tier
from tidegate.telemetry.conventions import (
    CLIENT_DURATION,
    CLIENT_FIRST_CHUNK,
    CLIENT_TOKENS,
    SERVER_DURATION,
    SERVER_FIRST_TOKEN,
    SERVER_PER_TOKEN,
)

OTHER = "other"
"""Stands for every name that the configuration does not know."""

MOST_CELLS = 4_096
"""All keys come from closed sets, so there are far fewer; beyond it all share one cell."""

RequestKey = tuple[
    RecordedSurface,
    Dialect,
    str,
    Source | None,
    Tier | None,
    CacheState,
    int,
    AbortPhase | None,
    str | None,
]
"""Surface, dialect, model asked for, source, tier, cache, HTTP status, abort phase, error."""

AttemptKey = tuple[RecordedSurface, Dialect, str, str, str, Outcome]
"""Surface, dialect, provider, upstream, the model's name there, outcome."""

QuestionKey = tuple[str | None, str]
"""Task and source."""

REST: RequestKey = ("chat", "openai", OTHER, None, None, "off", 0, None, None)
ATTEMPT_REST: AttemptKey = ("chat", "openai", OTHER, OTHER, OTHER, "ok")

OVERHEAD_BOUNDS = (
    *(0.00005, 0.0001, 0.00015, 0.0002, 0.00025, 0.0003, 0.0004, 0.0005, 0.00075),
    *(0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.025, 0.1, 1.0),
)
"""Overhead is a fraction of a millisecond when all is well."""

DURATION_BOUNDS = (
    *(0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005),
    *SERVER_DURATION.bounds,
    *(163.84, 327.68),
)
"""Those of the conventions and finer ones: an answer from here takes less than their first."""

PHASES = ("parse", "cache", "local", "queue", "connect", "first_byte", "stream", "encode")
phases_of = attrgetter(*(f"{phase}_s" for phase in PHASES))

# Places in a request's cell: sums, then the buckets of each histogram.
(
    COUNT,
    DURATION_S,
    OVERHEAD_S,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    COST,
    COST_ESTIMATED,
    COST_AT_CENTRE,
    FIRST_TOKEN_S,
    PER_TOKEN_S,
) = range(10)
PHASE_S = 10
PHASE_COUNT = PHASE_S + len(PHASES)
DURATION = PHASE_COUNT + len(PHASES)
OVERHEAD = DURATION + len(DURATION_BOUNDS) + 1
FIRST_TOKEN = OVERHEAD + len(OVERHEAD_BOUNDS) + 1
PER_TOKEN = FIRST_TOKEN + len(SERVER_FIRST_TOKEN.bounds) + 1
REQUEST_CELL = PER_TOKEN + len(SERVER_PER_TOKEN.bounds) + 1

# Places in an attempt's cell.
(CALLS, CALL_S, CHUNK_S, TOKENS_IN, TOKENS_OUT, USED_IN, USED_OUT) = range(7)
CALL = 7
CHUNK = CALL + len(CLIENT_DURATION.bounds) + 1
TOKEN_IN = CHUNK + len(CLIENT_FIRST_CHUNK.bounds) + 1
TOKEN_OUT = TOKEN_IN + len(CLIENT_TOKENS.bounds) + 1
ATTEMPT_CELL = TOKEN_OUT + len(CLIENT_TOKENS.bounds) + 1

Cell = list[float]


@dataclass(slots=True)
class Tally:
    """All cells of one process."""

    requests: dict[RequestKey, Cell] = field(default_factory=dict)
    attempts: dict[AttemptKey, Cell] = field(default_factory=dict)
    questions: dict[QuestionKey, float] = field(default_factory=dict)
    refused: dict[int, float] = field(default_factory=dict)
    """By HTTP status."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names that the configuration in force brings; others are counted as `other`."""

    models: frozenset[str] = frozenset()
    """Those that routes take and those that upstreams are asked for."""
    providers: dict[str, str] = field(default_factory=dict)
    """By upstream, the kind of server that it is."""
