"""The record of a request that was passed on: what it used is estimated high and flagged."""

from dataclasses import dataclass, field

from msgspec.structs import replace

from tidegate.domain.answer import Usage
from tidegate.domain.passed import Passed
from tidegate.domain.plan import Attempt
from tidegate.domain.record import AbortPhase, Phases, Record
from tidegate.domain.request import Context
from tidegate.gateway.generation import Generation
from tidegate.ledger.cost import BYTES_PER_TOKEN, cost, quote
from tidegate.telemetry.trace_ids import is_sampled

BYTES_OF_SOUND_PER_TOKEN = 100
"""Speech models count about 20 tokens a second, and the tightest codec that clients use for speech
takes some 2,000 bytes: so this is the high end, and far above it for sounds packed less."""


@dataclass(slots=True, eq=False)
class PassedDraft:
    """A record in the making."""

    passed: Passed
    context: Context
    generation: Generation
    route: str = ""
    deadline: float = 0.0
    """Monotonic seconds."""
    attempts: list[Attempt] = field(default_factory=list)
    has_answer: bool = False
    """The last attempt has given one."""
    input_bytes: int = 0
    """Of a file that a batch reads."""
    answer_bytes: int = 0
    first_byte_at: float | None = None
    is_recorded: bool = False


def passed_record(
    draft: PassedDraft, *, now: float, status: int, error: str | None, abort: AbortPhase | None
) -> Record:
    """Make the record; `now` is monotonic."""
    context, passed = draft.context, draft.passed
    attempts = tuple(_with_cost(draft, one) for one in _used(draft))
    usage = sum((one.usage for one in attempts if one.usage is not None), Usage(0, 0))
    answered = attempts[-1] if draft.has_answer else None
    duration = now - context.started
    stream_s = None if draft.first_byte_at is None else now - draft.first_byte_at
    waited = sum(one.duration_s for one in attempts) + (stream_s or 0.0)
    parent = context.traceparent
    _, trace_id, parent_span_id, _ = parent.split("-") if parent else (None,) * 4
    return Record(
        request_id=context.request_id,
        time=context.received_at,
        tenant=context.identity.tenant,
        key_id=context.identity.key_id,
        surface=passed.surface,
        model_asked=passed.model,
        route=draft.route,
        status=status,
        source="upstream" if answered else None,
        tier=answered.place.tier if answered else None,
        region=answered.place.region if answered else None,
        upstream=answered.target if answered else None,
        model=answered.model if answered else None,
        task=None,
        confidence=None,
        reason="passed on",
        stream=stream_s is not None,
        duration_s=duration,
        overhead_s=max(0.0, duration - waited),
        phases=Phases(
            parse_s=context.parse_s,
            first_byte_s=answered.first_byte_s if answered else None,
            stream_s=stream_s,
        ),
        attempts=attempts,
        questions=(),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=0,
        usage_is_estimated=usage.is_estimated,
        cost_micro_usd=sum(one.cost_micro_usd for one in attempts),
        cost_is_estimated=any(one.cost_is_estimated for one in attempts),
        central_cost_micro_usd=None,
        cache="off",
        lossy=(),
        generation=draft.generation.number,
        client_request_id=context.client_request_id,
        trace_id=trace_id,
        client_rtt_s=context.client_rtt_s,
        abort_phase=abort,
        error=error,
        parent_span_id=parent_span_id,
        is_sampled=parent is not None and is_sampled(parent),
    )


def used_by(draft: PassedDraft) -> Usage | None:
    """Estimate what an attempt used that may have been at work; None where nothing is billed."""
    passed = draft.passed
    if passed.surface == "audio":
        # One way the sounds are in the answer, the other way in the request.
        is_speech = passed.quotes_model
        given = passed.characters if is_speech else len(passed.body) // BYTES_OF_SOUND_PER_TOKEN
        each = BYTES_OF_SOUND_PER_TOKEN if is_speech else BYTES_PER_TOKEN
        return Usage(max(1, given), -(-draft.answer_bytes // each), is_estimated=True)
    if passed.surface == "batches" and passed.doing == "create":
        # As much may come out as went in; the provider's bill is the account.
        tokens = max(1, -(-draft.input_bytes // BYTES_PER_TOKEN))
        return Usage(tokens, tokens, is_estimated=True)
    return None


def _used(draft: PassedDraft) -> list[Attempt]:
    if not draft.has_answer:
        return draft.attempts
    return [*draft.attempts[:-1], replace(draft.attempts[-1], usage=used_by(draft))]


def _with_cost(draft: PassedDraft, attempt: Attempt) -> Attempt:
    if attempt.usage is None:
        return attempt
    spent = cost(attempt.usage, quote(draft.generation.prices, (attempt.model,)))
    return replace(attempt, cost_micro_usd=spent.micro_usd, cost_is_estimated=spent.is_estimated)
