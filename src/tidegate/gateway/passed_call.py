"""Makes one call of an upstream with a request as it is, and notes what came of it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from msgspec.structs import replace

from tidegate.domain.passed import Passed
from tidegate.domain.plan import Attempt
from tidegate.errors import (
    NoAnswer,
    UnknownObject,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tidegate.gateway.dispatch import outcome_of, told
from tidegate.gateway.passed_record import PassedDraft, used_by
from tidegate.ports.clock import Clock
from tidegate.ports.http import HttpAnswer
from tidegate.ports.passthrough import PassedCall, Passthrough
from tidegate.telemetry.trace_ids import sent_context

T = TypeVar("T")

ANSWER_BYTES = 8 * 1024 * 1024
"""Of a description of files or batches; what they hold is streamed."""

_ERROR_BYTES = 64 * 1024
_SUCCESS = range(200, 300)


class Calls:
    """Makes them within the request's deadline."""

    def __init__(self, clock: Clock) -> None:
        """`clock` measures the attempts."""
        self._clock = clock

    async def make(
        self, draft: PassedDraft, upstream: str, passed: Passed, model: str = ""
    ) -> HttpAnswer:
        """Make one call and note the attempt; raises UpstreamError for anything but success."""
        adapter = draft.generation.upstreams[upstream]
        if not isinstance(adapter, Passthrough):
            raise UnknownObject(passed.object_id or upstream)
        context = draft.context
        call = PassedCall(
            passed.method,
            passed.path,
            passed.body,
            passed.content_type,
            traceparent=sent_context(
                context.traceparent,
                context.request_id,
                len(draft.attempts),
                draft.generation.trace_share,
            ),
            tracestate=context.tracestate,
            credential=context.credential,
        )
        started = self._clock.monotonic()
        attempt = Attempt(
            target=upstream,
            model=model,
            place=draft.generation.places[upstream],
            outcome="ok",
            started_s=started - context.started,
            duration_s=0.0,
        )
        try:
            answer = await self._within(draft, upstream, adapter.pass_on(call))
            if answer.status not in _SUCCESS:
                body = await self._within(draft, upstream, answer.read(_ERROR_BYTES))
                raise UpstreamStatus(upstream, answer.status, body=body)
        except UpstreamError as error:
            draft.attempts.append(
                replace(
                    attempt,
                    outcome=outcome_of(error),
                    duration_s=self._clock.monotonic() - started,
                    status=error.status if isinstance(error, UpstreamStatus) else None,
                    detail=str(error),
                    usage=used_by(draft) if _was_asked(error) else None,
                )
            )
            raise
        except asyncio.CancelledError:
            took = self._clock.monotonic() - started
            draft.attempts.append(
                replace(attempt, outcome="cancelled", duration_s=took, usage=used_by(draft))
            )
            raise
        took = self._clock.monotonic() - started
        draft.attempts.append(
            replace(attempt, duration_s=took, first_byte_s=took, connect_s=answer.connect_s)
        )
        draft.has_answer = True
        return answer

    async def _within(self, draft: PassedDraft, upstream: str, waiting: Awaitable[T]) -> T:
        left = draft.deadline - self._clock.monotonic()
        try:
            async with asyncio.timeout(left):
                return await waiting
        except TimeoutError as error:
            raise UpstreamTimeout(upstream, "total", left) from error

    async def read(self, draft: PassedDraft, answer: HttpAnswer) -> bytes:
        """Read a whole answer; raises NoAnswer."""
        upstream = draft.attempts[-1].target
        try:
            return await self._within(draft, upstream, answer.read(ANSWER_BYTES))
        except UpstreamError as error:
            raise no_answer(draft, error) from error
        finally:
            await answer.close()


def _was_asked(error: UpstreamError) -> bool:
    """Tell whether an upstream may have been at work for a call that failed."""
    match error:
        case UpstreamStatus() | UpstreamTimeout(phase="connect"):
            return False
        case UpstreamUnreachable():
            return error.was_asked
        case _:
            return True


def no_answer(draft: PassedDraft, last: UpstreamError) -> NoAnswer:
    """Say that nothing that was tried had an answer."""
    return NoAnswer("failed", f"No tier answered: {told(draft.attempts)}.", last=last)
