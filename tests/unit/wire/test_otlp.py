"""The JSON of exports, read back by the official protobuf types."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector import attributes, decode
from tidegate.domain.trace import Resource, Span
from tidegate.wire.otlp import encode_spans, read_rejected

RESOURCE = Resource("tidegate", "1.2", "https://schema", (("service.name", "tidegate"),))


def a_span(**changes: object) -> Span:
    plain: dict[str, object] = {
        "name": "chat",
        "kind": "server",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "parent_id": None,
        "has_remote_parent": False,
        "start_ns": 1_800_000_000_000_000_001,
        "end_ns": 1_800_000_000_000_000_002,
        "attributes": (),
    }
    # A table of keywords is checked by the class itself, not by the type checker.
    return Span(**{**plain, **changes})  # type: ignore[arg-type]


def test_ids_are_hexadecimal_enumerations_numbers_and_long_numbers_texts() -> None:
    body = json.loads(encode_spans([a_span(parent_id="00f067aa0ba902b7", is_error=True)], RESOURCE))
    [scope] = body["resourceSpans"][0]["scopeSpans"]
    [span] = scope["spans"]
    assert span["traceId"] == "0af7651916cd43dd8448eb211c80319c"
    assert (span["spanId"], span["parentSpanId"]) == ("b7ad6b7169203331", "00f067aa0ba902b7")
    assert (span["kind"], span["status"]) == (2, {"code": 2})
    assert span["startTimeUnixNano"] == "1800000000000000001"


def test_the_official_types_read_every_field() -> None:
    span = a_span(
        kind="client",
        has_remote_parent=True,
        attributes=(("a", "x"), ("b", True), ("c", 1 << 60), ("d", 0.5), ("e", ("p", "q"))),
    )
    request = decode(encode_spans([span], RESOURCE))
    [resource] = request.resource_spans
    [scope] = resource.scope_spans
    [read] = scope.spans
    assert (scope.scope.name, scope.scope.version) == ("tidegate", "1.2")
    assert (resource.schema_url, scope.schema_url) == ("https://schema", "https://schema")
    assert attributes(read) == {"a": "x", "b": True, "c": 1 << 60, "d": 0.5, "e": ["p", "q"]}
    assert (read.kind, read.flags, read.parent_span_id) == (3, 0x301, b"")
    assert read.start_time_unix_nano == 1_800_000_000_000_000_001


def test_a_lone_surrogate_does_not_lose_the_batch() -> None:
    [resource] = decode(encode_spans([a_span(name="a\ud800b")], RESOURCE)).resource_spans
    assert resource.scope_spans[0].spans[0].name == "a?b"


@given(
    st.text(max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_value_comes_back_as_it_was(text: str, number: int, real: float) -> None:
    span = a_span(attributes=(("text", text), ("number", number), ("real", real)))
    read = decode(encode_spans([span], RESOURCE)).resource_spans[0].scope_spans[0].spans[0]
    assert attributes(read) == {"text": text, "number": number, "real": real}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", (0, "")),
        (b"{}", (0, "")),
        (b'{"partialSuccess":{}}', (0, "")),
        (b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}', (3, "old")),
        (b'{"partialSuccess":{"rejectedSpans":3}}', (3, "")),
        (b'{"partialSuccess":{"rejectedSpans":"x"}}', (0, "")),
        (b"<html>", (0, "")),
    ],
)
def test_partial_success_is_read(body: bytes, told: tuple[int, str]) -> None:
    assert read_rejected(body) == told
