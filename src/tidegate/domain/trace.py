"""Traces as plain values: what is kept of a request, its spans, and what a collector said."""

from dataclasses import dataclass
from typing import Literal

from tidegate.domain.record import Record

Kept = Literal["error", "slow", "caller", "share"]
"""Why a trace is kept. `caller`: whoever called had sampled it (W3C trace context)."""

SpanKind = Literal["server", "client"]
Value = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptTrace:
    """A finished request whose trace is kept; its spans are made when it is sent."""

    record: Record
    why: Kept


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work in a trace. Times are nanoseconds since the epoch, UTC."""

    name: str
    kind: SpanKind
    trace_id: str
    span_id: str
    parent_id: str | None
    has_remote_parent: bool
    start_ns: int
    end_ns: int
    attributes: tuple[tuple[str, Value], ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """Who the spans of a batch come from."""

    scope: str
    """The instrumentation that made them, with its version."""
    version: str
    schema_url: str
    """Of the semantic conventions that their attributes follow."""
    attributes: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of sending one batch."""

    status: int | None
    """HTTP status; None when there was no answer."""
    retry_after_s: float | None = None
    rejected: int = 0
    """Spans that the collector says it did not take, although it took the batch."""
    message: str = ""
