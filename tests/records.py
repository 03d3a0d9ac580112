"""A record as tests need one: plain, with what matters given by name."""

from typing import Any

from msgspec.structs import replace

from tidegate.domain.record import Phases, Record


def a_record(request_id: str = "r1", **changes: Any) -> Record:
    plain = Record(
        request_id=request_id,
        time=1_800_000_000.0,
        tenant="acme",
        key_id="k1",
        surface="chat",
        model_asked="fast",
        route="fast",
        status=200,
        source="upstream",
        tier="central",
        region="us",
        upstream="openai",
        model="gpt",
        task=None,
        confidence=None,
        reason="ordered",
        stream=False,
        duration_s=0.25,
        overhead_s=0.0005,
        phases=Phases(parse_s=0.0001, first_byte_s=0.2),
        attempts=(),
        questions=(),
        input_tokens=100,
        output_tokens=20,
        cached_input_tokens=0,
        usage_is_estimated=False,
        cost_micro_usd=50,
        cost_is_estimated=False,
        central_cost_micro_usd=50,
        cache="miss",
        lossy=(),
        generation=1,
        client_request_id=None,
        trace_id=None,
        client_rtt_s=None,
        abort_phase=None,
        error=None,
    )
    return replace(plain, **changes)
