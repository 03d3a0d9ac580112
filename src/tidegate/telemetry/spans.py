"""From a record to the spans of its trace: the request, and below it each call of an upstream.

Attributes are those of the conventions where they have one, `tidegate.*` for the rest. No request
text: what is not in a record cannot get into a trace.
"""

from collections.abc import Iterator

from tidegate.domain.plan import Attempt
from tidegate.domain.record import Phases, Record
from tidegate.domain.trace import KeptTrace, Span, Value
from tidegate.telemetry import conventions as names
from tidegate.telemetry.sampling import is_failure
from tidegate.telemetry.tally import PHASES, Known, phases_of
from tidegate.telemetry.trace_ids import attempt_span, node_span

Attributes = tuple[tuple[str, Value], ...]
Pair = tuple[str, Value | None]

_MICRO = 1e6
_MODEL_CHARACTERS = 128
"""Of a model name that a client chose; names of models are shorter."""


def spans(kept: KeptTrace, known: Known) -> tuple[Span, ...]:
    """Give the node's span, then those of its attempts in order."""
    record = kept.record
    return (
        _of_request(kept),
        *(
            _of_attempt(record, attempt, place, known)
            for place, attempt in enumerate(record.attempts)
        ),
    )


def _of_request(kept: KeptTrace) -> Span:
    record = kept.record
    operation = names.operation(record.surface, record.dialect)
    return Span(
        name=f"{operation} {record.route}".rstrip(),
        kind="server",
        trace_id=_trace_id(record),
        span_id=node_span(record.request_id),
        parent_id=record.parent_span_id,
        has_remote_parent=record.parent_span_id is not None,
        start_ns=_at(record, 0.0),
        end_ns=_at(record, record.duration_s),
        attributes=_stated(
            (names.OPERATION_NAME, operation),
            (names.PROVIDER_NAME, names.NODE_PROVIDER),
            (names.REQUEST_MODEL, record.model_asked[:_MODEL_CHARACTERS]),
            (names.REQUEST_STREAM, record.stream or None),
            (names.RESPONSE_MODEL, record.model),
            (names.INPUT_TOKENS, record.input_tokens or None),
            (names.OUTPUT_TOKENS, record.output_tokens or None),
            (names.CACHED_INPUT_TOKENS, record.cached_input_tokens or None),
            (names.HTTP_STATUS, record.status),
            (names.ERROR_TYPE, record.error),
            ("tidegate.kept", kept.why),
            *_decisions(record),
            *_phases(record.phases),
        ),
        is_error=is_failure(record),
    )


def _decisions(record: Record) -> Iterator[Pair]:
    """Give what was decided about a request, and what came of it."""
    yield "tidegate.request_id", record.request_id
    yield "tidegate.tenant", record.tenant
    yield "tidegate.route", record.route or None
    yield "tidegate.source", record.source
    yield "tidegate.tier", record.tier
    yield "tidegate.upstream", record.upstream
    yield "tidegate.task", record.task
    yield "tidegate.confidence", record.confidence
    yield "tidegate.reason", record.reason or None
    yield "tidegate.cache", record.cache
    yield "tidegate.lossy", record.lossy or None
    yield "tidegate.questions", len(record.questions) or None
    yield "tidegate.questions.local", _answered_here(record) if record.questions else None
    yield "tidegate.cost_usd", record.cost_micro_usd / _MICRO
    yield "tidegate.usage_is_estimated", record.usage_is_estimated or None
    yield "tidegate.abort_phase", record.abort_phase
    yield "tidegate.generation", record.generation
    yield "tidegate.overhead_s", record.overhead_s


def _answered_here(record: Record) -> int:
    return sum(trace.source == "local" for trace in record.questions)


def _phases(phases: Phases) -> Iterator[Pair]:
    for phase, seconds in zip(PHASES, phases_of(phases), strict=True):
        yield f"tidegate.phase.{phase}_s", seconds


def _of_attempt(record: Record, attempt: Attempt, place: int, known: Known) -> Span:
    operation = names.operation(record.surface, record.dialect)
    # A stream's attempt ends with its first token; the rest of it is a phase of the request.
    stream_s = record.phases.stream_s if place == len(record.attempts) - 1 else None
    usage = attempt.usage
    model = attempt.model if attempt.model in known.models else ""
    return Span(
        name=f"{operation} {model}".rstrip(),
        kind="client",
        trace_id=_trace_id(record),
        span_id=attempt_span(record.request_id, place),
        parent_id=node_span(record.request_id),
        has_remote_parent=False,
        start_ns=_at(record, attempt.started_s),
        end_ns=_at(record, attempt.started_s + attempt.duration_s + (stream_s or 0.0)),
        attributes=_stated(
            (names.OPERATION_NAME, operation),
            (names.PROVIDER_NAME, known.providers.get(attempt.target)),
            (names.REQUEST_MODEL, attempt.model[:_MODEL_CHARACTERS]),
            (names.REQUEST_STREAM, record.stream or None),
            (names.TIME_TO_FIRST_CHUNK, None if stream_s is None else attempt.duration_s),
            (names.INPUT_TOKENS, usage.input_tokens if usage else None),
            (names.OUTPUT_TOKENS, usage.output_tokens if usage else None),
            (names.HTTP_STATUS, attempt.status),
            (names.ERROR_TYPE, None if attempt.outcome == "ok" else attempt.outcome),
            ("tidegate.upstream", attempt.target),
            ("tidegate.tier", attempt.place.tier),
            ("tidegate.region", attempt.place.region),
            ("tidegate.connect_s", attempt.connect_s),
            ("tidegate.first_byte_s", attempt.first_byte_s),
            ("tidegate.cost_usd", attempt.cost_micro_usd / _MICRO),
        ),
        is_error=attempt.outcome != "ok",
    )


def _trace_id(record: Record) -> str:
    return record.trace_id or record.request_id


def _at(record: Record, seconds: float) -> int:
    """Give the moment `seconds` after the request came, in nanoseconds since the epoch."""
    return int(record.time * _MICRO) * 1000 + int(seconds * 1e9)


def _stated(*pairs: Pair) -> Attributes:
    return tuple((name, value) for name, value in pairs if value is not None)
