from benchmarks import telemetry
from tidegate.domain.trace import KeptTrace
from tidegate.telemetry.sampling import decide


def test_the_cases_are_what_they_are_called() -> None:
    policy = telemetry.EVERYTHING
    assert decide(telemetry.forwarded(telemetry.NOT_OF_SHARE), policy) is None
    assert decide(telemetry.decided(telemetry.OF_SHARE), policy) == "share"


def test_an_exported_trace_has_both_spans() -> None:
    body = telemetry._export([KeptTrace(telemetry.forwarded(telemetry.OF_SHARE), "share")])
    assert body.count(b'"spanId"') == 2
