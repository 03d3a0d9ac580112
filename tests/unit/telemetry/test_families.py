from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.records import a_record
from tidegate.domain.answer import Usage
from tidegate.domain.metric import Family, Point
from tidegate.domain.plan import Attempt, Outcome
from tidegate.domain.question import QuestionTrace
from tidegate.domain.record import Phases, Record
from tidegate.domain.zone import Place
from tidegate.gateway.meter import Meter
from tidegate.telemetry.families import coarser
from tidegate.telemetry.tally import MOST_CELLS, OTHER, Known

KNOWN = Known(frozenset({"fast", "gpt"}), {"openai": "openai"})


def metered(*records: Record) -> dict[str, Family]:
    """Give the families of these records by name."""
    meter = Meter()
    meter.know(KNOWN)
    for record in records:
        meter.observe(record)
    return {family.name: family for family in meter.families()}


def attempt(
    outcome: Outcome = "ok",
    *,
    model: str = "gpt",
    duration_s: float = 0.2,
    usage: Usage | None = None,
) -> Attempt:
    place = Place("central", "us", "us")
    return Attempt("openai", model, place, outcome, 0.01, duration_s, usage=usage)


def values(family: Family) -> dict[tuple[str, ...], float]:
    return {point.labels: point.value for point in family.points}


def only(family: Family) -> Point:
    [point] = family.points
    return point


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "ok"),
        ({"status": 404, "error": "UnknownModel"}, "client_error"),
        ({"status": 502, "error": "NoAnswer"}, "failed"),
        ({"status": 500}, "failed"),
        ({"status": 200, "error": "UpstreamCut"}, "failed"),
        ({"status": 499, "abort_phase": "before_first_byte"}, "client_left"),
        ({"status": 200, "abort_phase": "streaming"}, "client_left"),
    ],
)
def test_every_end_of_a_request_is_one_of_four(changes: dict[str, Any], outcome: str) -> None:
    found = metered(a_record(**changes))
    assert values(found["tidegate_requests"]) == {("chat", "upstream", "central", outcome): 1}


def test_a_request_is_a_server_operation_of_its_own_and_a_call_a_client_operation() -> None:
    found = metered(a_record(attempts=(attempt("timeout"), attempt(duration_s=0.15))))
    served = found["gen_ai_server_request_duration_seconds"]
    assert served.labels == (
        "gen_ai_operation_name",
        "gen_ai_provider_name",
        "gen_ai_request_model",
        "error_type",
    )
    assert values(served) == {("chat", "tidegate", "fast", ""): 0.25}
    called = found["gen_ai_client_operation_duration_seconds"]
    assert values(called) == {
        ("chat", "openai", "gpt", "timeout"): 0.2,
        ("chat", "openai", "gpt", ""): 0.15,
    }


def test_names_that_no_configuration_brings_are_counted_as_one() -> None:
    strange = a_record(model_asked="x" * 1000, attempts=(attempt(model="y"),))
    found = metered(strange, a_record(model_asked="z"))
    assert {labels[2] for labels in values(found["gen_ai_server_request_duration_seconds"])} == {
        OTHER
    }
    assert {labels[2] for labels in values(found["gen_ai_client_operation_duration_seconds"])} == {
        OTHER
    }


def test_the_older_completions_have_their_own_operation() -> None:
    found = metered(a_record(dialect="completions"), a_record(surface="decisions"))
    assert {
        point.labels[0] for point in found["gen_ai_server_request_duration_seconds"].points
    } == {
        "text_completion",
        "decisions",
    }


def test_a_stream_tells_first_token_and_pace() -> None:
    streamed = a_record(
        stream=True,
        attempts=(
            attempt("cut", usage=Usage(100, 30, is_estimated=True)),
            attempt(duration_s=0.09, usage=Usage(100, 20)),
        ),
        phases=Phases(stream_s=1.9),
        output_tokens=50,
        usage_is_estimated=True,
    )
    found = metered(streamed)
    assert only(found["gen_ai_server_time_to_first_token_seconds"]).value == pytest.approx(0.1)
    assert only(found["gen_ai_server_time_per_output_token_seconds"]).value == pytest.approx(0.1)
    first = only(found["gen_ai_client_operation_time_to_first_chunk_seconds"])
    assert first.value == pytest.approx(0.09)
    whole = values(found["gen_ai_client_operation_duration_seconds"])
    assert whole["chat", "openai", "gpt", ""] == pytest.approx(1.99)


def test_a_whole_answer_has_no_first_token() -> None:
    found = metered(a_record(attempts=(attempt(),)))
    assert found["gen_ai_server_time_to_first_token_seconds"].points == []
    assert found["gen_ai_client_operation_time_to_first_chunk_seconds"].points == []


def test_the_pace_of_a_stream_is_not_guessed() -> None:
    def streamed(usage: Usage | None, error: str | None = None) -> Record:
        called = (attempt(usage=usage),)
        return a_record(stream=True, attempts=called, phases=Phases(stream_s=1.0), error=error)

    found = metered(
        streamed(None),
        streamed(Usage(100, 20, is_estimated=True)),
        streamed(Usage(100, 1)),
        streamed(Usage(100, 20), error="UpstreamCut"),
    )
    assert found["gen_ai_server_time_per_output_token_seconds"].points == []


def test_tokens_are_those_that_an_upstream_counted_for_a_call() -> None:
    found = metered(
        a_record(
            attempts=(
                attempt("cut", usage=Usage(100, 7, is_estimated=True)),
                attempt(usage=Usage(100, 20)),
            )
        ),
        a_record(source="local", attempts=()),
    )
    assert values(found["gen_ai_client_token_usage"]) == {
        ("chat", "openai", "gpt", "input"): 100,
        ("chat", "openai", "gpt", "output"): 20,
    }


def test_each_attempt_has_its_tokens_under_its_own_upstream_and_model() -> None:
    failed = replace(attempt("cut", usage=Usage(90, 7, is_estimated=True)), target="near")
    found = metered(
        a_record(
            attempts=(replace(failed, model="fast"), attempt(usage=Usage(100, 20))),
            input_tokens=190,
            output_tokens=27,
        )
    )
    assert values(found["tidegate_upstream_tokens"]) == {
        ("near", "fast", "input"): 90,
        ("near", "fast", "output"): 7,
        ("openai", "gpt", "input"): 100,
        ("openai", "gpt", "output"): 20,
    }


def test_questions_are_counted_by_task_and_who_answered() -> None:
    here = QuestionTrace("choice", "local", "confident", task="support")
    nowhere = QuestionTrace("predicate", "refused", "no tier")
    found = metered(a_record(surface="decisions", questions=(here, here, nowhere)))
    assert values(found["tidegate_questions"]) == {("support", "local"): 2, ("none", "refused"): 1}


def test_money_is_told_apart_by_how_sure_it_is() -> None:
    found = metered(a_record(), a_record(cost_is_estimated=True, central_cost_micro_usd=None))
    assert values(found["tidegate_cost_usd"]) == {("false",): 0.00005, ("true",): 0.00005}
    assert values(found["tidegate_central_cost_usd"]) == {(): 0.00005}


def test_phases_that_did_not_happen_are_not_counted() -> None:
    found = metered(a_record(phases=Phases(parse_s=0.0, local_s=0.002)), a_record(phases=Phases()))
    assert [
        (point.labels, point.value, point.counts)
        for point in found["tidegate_phase_seconds"].points
    ] == [
        (("chat", "parse"), 0.0, (1,)),
        (("chat", "local"), 0.002, (1,)),
    ]


def test_a_hundred_microseconds_more_fall_into_another_bucket() -> None:
    found = metered(a_record(overhead_s=0.00025), a_record(overhead_s=0.00035))
    assert sorted(only(found["tidegate_overhead_seconds"]).counts)[-2:] == [1, 1]


def test_cells_are_bounded_and_nothing_is_lost() -> None:
    meter = Meter()
    meter.know(Known(frozenset(str(number) for number in range(MOST_CELLS + 10))))
    for number in range(MOST_CELLS + 10):
        meter.observe(a_record(model_asked=str(number)))
    [family] = [one for one in meter.families() if one.name == "tidegate_overhead_seconds"]
    assert sum(sum(point.counts) for point in family.points) == MOST_CELLS + 10
    [served] = [
        one for one in meter.families() if one.name == "gen_ai_server_request_duration_seconds"
    ]
    assert len(served.points) == MOST_CELLS + 1


FINE = (1.0, 2.0, 3.0, 4.0, 5.0)


@given(st.lists(st.integers(0, 9), min_size=6, max_size=6), st.sets(st.sampled_from(FINE)))
def test_coarser_buckets_hold_the_same_observations(counts: list[int], wanted: set[float]) -> None:
    bounds = sorted(wanted)
    coarse = coarser(counts, FINE, bounds)
    assert sum(coarse) == sum(counts)
    for place, bound in enumerate(bounds):
        fine = sum(count for count, edge in zip(counts, FINE, strict=False) if edge <= bound)
        assert sum(coarse[: place + 1]) == fine
