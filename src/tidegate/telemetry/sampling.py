"""Whether the trace of a finished request is kept: decided at its end, from its record alone."""

from dataclasses import dataclass

from tidegate.domain.record import Record
from tidegate.domain.trace import Kept
from tidegate.telemetry.trace_ids import in_share

_SERVER_ERROR = 500
_OK = 200


@dataclass(frozen=True, slots=True)
class TracePolicy:
    """Which traces are kept, and how many at most."""

    share: float
    """Of the requests that came without a trace context."""
    slow_s: float
    keeps_errors: bool
    caller_per_s: float
    """Traces a second that are kept because whoever called had sampled them."""
    kept_per_s: float
    """Traces a second that are kept for any reason."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a rate still allows: a token bucket that holds one second's worth, or one."""

    tokens: float
    at: float


def decide(record: Record, policy: TracePolicy) -> Kept | None:
    """Give the reason to keep a trace, or None.

    Whoever called decides by the flags of its context; errors and slow requests are kept all the
    same. The share is of those that nobody has decided about.
    """
    if policy.keeps_errors and is_failure(record):
        return "error"
    if waited_s(record) >= policy.slow_s:
        return "slow"
    if record.parent_span_id is not None:
        return "caller" if record.is_sampled else None
    return "share" if in_share(record.request_id, policy.share) else None


def is_failure(record: Record) -> bool:
    """Tell whether the node or what stands behind it failed; a client's mistake is none."""
    return record.status >= _SERVER_ERROR or (record.status == _OK and record.error is not None)


def waited_s(record: Record) -> float:
    """Give how long the client waited: for a whole answer, or for the first token of a stream."""
    return record.duration_s - (record.phases.stream_s or 0.0)


def full(per_s: float, now: float) -> Allowance:
    """Give what a rate allows to begin with."""
    return Allowance(max(1.0, per_s), now)


def spend(allowance: Allowance, per_s: float, now: float) -> tuple[Allowance, bool]:
    """Take one from an allowance, if there is one."""
    grown = allowance.tokens + (now - allowance.at) * per_s
    tokens = min(grown, max(1.0, per_s))
    if per_s <= 0 or tokens < 1:
        return Allowance(tokens, now), False
    return Allowance(tokens - 1, now), True
