"""Ids of the spans of a request, worked out from its request id, and the context sent upstream.

A request id is 48 bits of time and 80 random bits, in 32 hexadecimal digits. A request that came
without a trace context has it as its trace id; its last 16 digits name this node's span, and the
calls of upstreams are numbered on from there. So nothing has to be drawn or kept for a trace that
nobody may ever look at, and `x-request-id` leads to the trace.
"""

_SPAN_DIGITS = 16
_LAST_SPAN = (1 << 64) - 1
_RANDOM_DIGITS = 14
_RANDOM_RANGE = 1 << 56
_SAMPLED = 1


def node_span(request_id: str) -> str:
    """Give the id of this node's span."""
    return request_id[-_SPAN_DIGITS:]


def attempt_span(request_id: str, place: int) -> str:
    """Give the id of the span of the request's attempt at `place`, counted from 0."""
    own = int(node_span(request_id), 16)
    # Counted from 1 and round: all zeros mean no span.
    return f"{(own + place) % _LAST_SPAN + 1:016x}"


def in_share(trace_id: str, share: float) -> bool:
    """Tell whether a trace is among the sampled share: the same ones wherever that is asked.

    The last 56 bits against a threshold, as OpenTelemetry's consistent probability sampling does.
    """
    return int(trace_id[-_RANDOM_DIGITS:], 16) >= (1 - share) * _RANDOM_RANGE


def sent_context(
    traceparent: str | None, request_id: str, place: int, share: float | None
) -> str | None:
    """Give the `traceparent` for the call of an attempt, a child of this node's span.

    The caller's own sampling flag goes on. Without a caller's context there is one only where this
    node traces, that is with a `share`; it says whether the trace is among it.
    """
    if traceparent is not None:
        version, trace_id, _, flags = traceparent.split("-", 3)
        return f"{version}-{trace_id}-{attempt_span(request_id, place)}-{flags}"
    if share is None:
        return None
    flags = "01" if in_share(request_id, share) else "00"
    return f"00-{request_id}-{attempt_span(request_id, place)}-{flags}"


def is_sampled(traceparent: str) -> bool:
    """Tell whether the caller's flags say that it keeps the trace."""
    return bool(int(traceparent[-2:], 16) & _SAMPLED)
