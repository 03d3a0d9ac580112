from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.records import a_record
from tidegate.domain.record import Phases
from tidegate.domain.trace import Kept
from tidegate.telemetry.sampling import TracePolicy, decide, full, spend

FIRST_OF_SHARE = "f" * 32
LAST_OF_SHARE = "0" * 32


def policy(**changes: Any) -> TracePolicy:
    plain = {
        "share": 0.5,
        "slow_s": 1.0,
        "keeps_errors": True,
        "caller_per_s": 10.0,
        "kept_per_s": 100.0,
    }
    return TracePolicy(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"status": 502, "error": "NoAnswer"}, "error"),
        ({"status": 500}, "error"),
        ({"status": 200, "error": "UpstreamCut"}, "error"),
        ({"status": 404, "error": "UnknownModel"}, None),
        ({"status": 499, "abort_phase": "before_first_byte"}, None),
        ({"duration_s": 1.0}, "slow"),
        ({"duration_s": 30.0, "phases": Phases(stream_s=29.5)}, None),
        ({"duration_s": 30.0, "phases": Phases(stream_s=28.0)}, "slow"),
        ({"request_id": FIRST_OF_SHARE}, "share"),
        ({"parent_span_id": "b" * 16, "is_sampled": True}, "caller"),
        ({"parent_span_id": "b" * 16, "request_id": FIRST_OF_SHARE}, None),
        ({"parent_span_id": "b" * 16, "status": 500}, "error"),
    ],
)
def test_what_is_kept_and_why(changes: dict[str, Any], why: Kept | None) -> None:
    assert decide(a_record(**{"request_id": LAST_OF_SHARE, **changes}), policy()) == why


def test_errors_can_be_left_out() -> None:
    failed = a_record(request_id=LAST_OF_SHARE, status=500)
    assert decide(failed, policy(keeps_errors=False)) is None


def test_a_rate_allows_a_second_s_worth_at_once_and_then_its_pace() -> None:
    allowance = full(8, now=0.0)
    taken = 0
    for tick in range(3 * 64 + 1):
        allowance, may = spend(allowance, 8, now=tick / 64)
        taken += may
    assert taken == 8 + 3 * 8


def test_a_slow_rate_still_allows_one() -> None:
    allowance, may = spend(full(0.1, now=0.0), 0.1, now=0.0)
    assert may
    allowance, may = spend(allowance, 0.1, now=9.0)
    assert not may
    assert spend(allowance, 0.1, now=10.1)[1]


def test_a_rate_of_nothing_allows_nothing() -> None:
    assert not spend(full(0, now=0.0), 0, now=1e9)[1]


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 10), max_size=200))
def test_a_rate_is_never_exceeded_by_more_than_its_burst(per_s: float, gaps: list[float]) -> None:
    allowance, now, taken = full(per_s, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        allowance, may = spend(allowance, per_s, now)
        taken += may
    assert taken <= max(1.0, per_s) + now * per_s + 1e-6
