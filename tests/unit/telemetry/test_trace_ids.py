import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.telemetry.trace_ids import attempt_span, in_share, is_sampled, node_span, sent_context

ID = "0193f0c0a1b2" + "c3d4" + "0123456789abcdef"
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"

# The last 16 digits are a span's id, which is never all zeros.
ids = st.builds(
    lambda time, span: f"{time:016x}{span:016x}",
    st.integers(0, 16**16 - 1),
    st.integers(1, 16**16 - 1),
)


def test_the_request_id_names_trace_and_span() -> None:
    assert node_span(ID) == "0123456789abcdef"
    assert [attempt_span(ID, place) for place in (0, 1)] == ["0123456789abcdf0", "0123456789abcdf1"]


def test_no_span_is_all_zeros() -> None:
    assert attempt_span("0" * 16 + "f" * 16, 0) == "0" * 15 + "1"


@example("0" * 16 + "f" * 16, 3)
@given(ids, st.integers(0, 50))
def test_spans_of_a_request_are_distinct_and_well_formed(request_id: str, count: int) -> None:
    made = [attempt_span(request_id, place) for place in range(count)]
    assert len({node_span(request_id), *made}) == count + 1
    assert all(len(span) == 16 and int(span, 16) for span in made)


def test_a_caller_s_trace_goes_on_with_its_own_flags() -> None:
    for share in (None, 0.0, 1.0):
        assert sent_context(PARENT, ID, 0, share) == f"00-{'a' * 32}-0123456789abcdf0-01"


def test_without_a_caller_s_context_there_is_one_only_where_the_node_traces() -> None:
    assert sent_context(None, ID, 0, None) is None
    assert sent_context(None, ID, 0, 0.0) == f"00-{ID}-0123456789abcdf0-00"
    assert sent_context(None, ID, 0, 1.0) == f"00-{ID}-0123456789abcdf0-01"


@pytest.mark.parametrize("flags", ["00", "01", "02", "03", "fe", "ff"])
def test_the_last_bit_says_that_it_is_sampled(flags: str) -> None:
    assert is_sampled(PARENT[:-2] + flags) is (flags[1] in "13f")


@given(ids, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_all_of_a_smaller_one(trace_id: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert in_share(trace_id, large) or not in_share(trace_id, small)


def test_a_share_is_as_large_as_it_says() -> None:
    step = 1 << 46
    traces = [f"{number * step:032x}" for number in range(1 << 10)]
    assert sum(in_share(trace, 0.25) for trace in traces) == 256
    assert all(in_share(trace, 1.0) for trace in traces)
    assert not any(in_share(trace, 0.0) for trace in traces)
