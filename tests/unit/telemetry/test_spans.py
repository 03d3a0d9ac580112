from typing import Any

from tests.records import a_record
from tidegate.domain.answer import Usage
from tidegate.domain.plan import Attempt, Outcome
from tidegate.domain.record import Phases, Record
from tidegate.domain.trace import KeptTrace, Span
from tidegate.domain.zone import Place
from tidegate.telemetry.spans import spans
from tidegate.telemetry.tally import Known
from tidegate.telemetry.trace_ids import attempt_span, node_span

ID = "0193f0c0a1b2c3d40123456789abcdef"
KNOWN = Known(frozenset({"gpt"}), {"openai": "openai"})


def made(**changes: Any) -> tuple[Span, ...]:
    record: Record = a_record(**{"request_id": ID, **changes})
    return spans(KeptTrace(record, "share"), KNOWN)


def attempt(outcome: Outcome = "ok", **changes: Any) -> Attempt:
    place = Place("central", "us", "us")
    plain = {"started_s": 0.01, "duration_s": 0.2, "first_byte_s": 0.19}
    return Attempt("openai", "gpt", place, outcome, **{**plain, **changes})


def test_a_request_without_a_context_has_a_trace_of_its_own() -> None:
    [root] = made()
    assert (root.trace_id, root.span_id, root.parent_id) == (ID, node_span(ID), None)
    assert (root.name, root.kind, root.has_remote_parent) == ("chat fast", "server", False)


def test_a_caller_s_trace_is_continued() -> None:
    root, call = made(trace_id="a" * 32, parent_span_id="b" * 16, attempts=(attempt(),))
    assert (root.trace_id, root.parent_id, root.has_remote_parent) == ("a" * 32, "b" * 16, True)
    assert (call.trace_id, call.parent_id) == ("a" * 32, root.span_id)


def test_calls_have_the_spans_that_upstreams_were_told() -> None:
    _, *calls = made(attempts=(attempt("timeout"), attempt()))
    assert [call.span_id for call in calls] == [attempt_span(ID, 0), attempt_span(ID, 1)]
    assert [call.is_error for call in calls] == [True, False]
    assert dict(calls[0].attributes)["error.type"] == "timeout"
    assert "error.type" not in dict(calls[1].attributes)


def test_times_are_those_of_the_record() -> None:
    root, call = made(time=1_800_000_000.5, duration_s=0.25, attempts=(attempt(),))
    assert (root.start_ns, root.end_ns) == (1_800_000_000_500_000_000, 1_800_000_000_750_000_000)
    assert call.start_ns == 1_800_000_000_510_000_000
    assert call.end_ns == 1_800_000_000_710_000_000


def test_a_streamed_call_ends_with_its_stream_and_tells_its_first_chunk() -> None:
    _, first, second = made(
        stream=True, phases=Phases(stream_s=1.0), attempts=(attempt("timeout"), attempt())
    )
    assert second.end_ns - second.start_ns == 1_200_000_000
    assert first.end_ns - first.start_ns == 200_000_000
    assert dict(second.attributes)["gen_ai.response.time_to_first_chunk"] == 0.2
    assert "gen_ai.response.time_to_first_chunk" not in dict(first.attributes)


def test_attributes_are_those_of_the_conventions() -> None:
    root, call = made(attempts=(attempt(usage=Usage(100, 20)),), cached_input_tokens=60)
    assert {name: value for name, value in root.attributes if not name.startswith("tidegate.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "tidegate",
        "gen_ai.request.model": "fast",
        "gen_ai.response.model": "gpt",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "http.response.status_code": 200,
    }
    assert {name: value for name, value in call.attributes if not name.startswith("tidegate.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
    }
    assert call.name == "chat gpt"


def test_no_name_holds_what_a_client_made_up() -> None:
    root, call = made(model_asked="x" * 500, route="*", attempts=(attempt(),))
    assert (root.name, call.name) == ("chat *", "chat gpt")
    assert dict(root.attributes)["gen_ai.request.model"] == "x" * 128


def test_a_failure_of_ours_is_an_error_and_a_client_s_mistake_is_none() -> None:
    [failed] = made(status=502, error="NoAnswer")
    [wrong] = made(status=400, error="InvalidRequest")
    assert (failed.is_error, wrong.is_error) == (True, False)
    assert dict(wrong.attributes)["error.type"] == "InvalidRequest"


def test_neither_keys_nor_messages_of_errors_are_told() -> None:
    for span in made(
        key_id="k-secret", attempts=(attempt("malformed", detail="they said: secret"),)
    ):
        assert "secret" not in repr(span)
