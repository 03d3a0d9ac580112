"""Spans as the JSON of OTLP/HTTP (specification 1.x), and what a collector answers.

Protobuf's JSON with OTLP's exceptions: ids in hexadecimal, enumerations as numbers. Numbers of 64
bits are texts there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tidegate.domain.trace import Resource, Span, SpanKind, Value
from tidegate.wire.surrogates import without_surrogates

_KINDS: Mapping[SpanKind, int] = {"server": 2, "client": 3}
_STATUS_ERROR = 2
_SAMPLED = 0x1
_KNOWS_WHETHER_PARENT_IS_REMOTE = 0x100
_HAS_REMOTE_PARENT = 0x200


class _PartialSuccess(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0
    error_message: str = ""


class _Response(msgspec.Struct, rename="camel"):
    partial_success: _PartialSuccess | None = None


def encode_spans(spans: Iterable[Span], resource: Resource) -> bytes:
    """Give the body of an export: an `ExportTraceServiceRequest`."""
    scope = {"name": resource.scope, "version": resource.version}
    whole = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource.attributes)},
                "scopeSpans": [
                    {
                        "scope": scope,
                        "spans": [_span(span) for span in spans],
                        "schemaUrl": resource.schema_url,
                    }
                ],
                "schemaUrl": resource.schema_url,
            }
        ]
    }
    try:
        return msgspec.json.encode(whole)
    except UnicodeEncodeError:
        return msgspec.json.encode(without_surrogates(whole))


def read_rejected(body: bytes) -> tuple[int, str]:
    """Give how many spans a collector did not take of a batch that it took, and what it says."""
    try:
        partial = msgspec.json.decode(body, type=_Response).partial_success if body else None
        return (0, "") if partial is None else (int(partial.rejected_spans), partial.error_message)
    except (msgspec.DecodeError, ValueError):
        # It said that it took the batch; how it words that is its own affair.
        return 0, ""


def _span(span: Span) -> dict[str, Any]:
    flags = _SAMPLED | _KNOWS_WHETHER_PARENT_IS_REMOTE
    if span.has_remote_parent:
        flags |= _HAS_REMOTE_PARENT
    made = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "flags": flags,
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
    }
    if span.parent_id is not None:
        made["parentSpanId"] = span.parent_id
    if span.is_error:
        made["status"] = {"code": _STATUS_ERROR}
    return made


def _attributes(pairs: Iterable[tuple[str, Value]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in pairs]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        # Before int: a bool is one.
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case tuple():
            return {"arrayValue": {"values": [_value(part) for part in value]}}
