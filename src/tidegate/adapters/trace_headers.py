"""The W3C trace context of a call, as headers: who called, and what vendors on the way noted."""

from tidegate.ports.passthrough import PassedCall
from tidegate.ports.upstream import UpstreamCall


def trace_headers(call: UpstreamCall | PassedCall) -> dict[str, str]:
    """Give them; none where there is no trace. `tracestate` never goes without `traceparent`."""
    if call.traceparent is None:
        return {}
    if call.tracestate is None:
        return {"traceparent": call.traceparent}
    return {"traceparent": call.traceparent, "tracestate": call.tracestate}
