from typing import Any

from tests.records import a_record
from tests.unit.gateway.fakes import ManualClock
from tidegate.domain.trace import KeptTrace
from tidegate.gateway.tracer import Tracer
from tidegate.telemetry.sampling import TracePolicy

CALLED: dict[str, Any] = {"parent_span_id": "b" * 16, "is_sampled": True, "request_id": "0" * 32}


class Kept:
    """A tracer with what it kept, and a clock by hand."""

    def __init__(self, **policy: Any) -> None:
        plain = {
            "share": 0.0,
            "slow_s": 100.0,
            "keeps_errors": True,
            "caller_per_s": 2.0,
            "kept_per_s": 5.0,
        }
        self.clock = ManualClock()
        self.traces: list[KeptTrace] = []
        self.tracer = Tracer(self.clock, self.traces.append)
        self.policy = TracePolicy(**{**plain, **policy})
        self.tracer.follow(self.policy)


def test_a_client_that_samples_everything_fills_nothing() -> None:
    kept = Kept()
    for _ in range(1000):
        kept.tracer.observe(a_record(**CALLED))
    assert [trace.why for trace in kept.traces] == ["caller", "caller"]
    assert kept.tracer.over_limit == 998
    kept.clock.advance(1.0)
    kept.tracer.observe(a_record(**CALLED))
    assert len(kept.traces) == 3


def test_callers_do_not_use_up_what_errors_need() -> None:
    kept = Kept()
    for _ in range(100):
        kept.tracer.observe(a_record(**CALLED))
    kept.tracer.observe(a_record(request_id="0" * 32, status=502))
    assert [trace.why for trace in kept.traces][-1] == "error"


def test_an_outage_is_not_kept_whole() -> None:
    kept = Kept()
    for _ in range(100):
        kept.tracer.observe(a_record(request_id="0" * 32, status=502))
    assert (len(kept.traces), kept.tracer.kept["error"], kept.tracer.over_limit) == (5, 5, 95)


def test_without_a_policy_nothing_is_kept() -> None:
    kept = Kept(share=1.0)
    kept.tracer.follow(None)
    kept.tracer.observe(a_record(request_id="f" * 32, status=502))
    assert kept.traces == []


def test_a_reload_that_changes_nothing_gives_no_new_allowance() -> None:
    kept = Kept()
    for _ in range(10):
        kept.tracer.observe(a_record(**CALLED))
        kept.tracer.follow(kept.policy)
    assert len(kept.traces) == 2
