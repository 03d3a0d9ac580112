"""Drives a plan: asks the cascade what to do next, does it, reports back, until there is an answer.

Owns the waiting and nothing else: which candidate comes next is `resilience/cascade.py`'s
decision, making the call `dispatch.py`'s work.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec.structs import replace

from tidegate.domain.plan import Attempt, Candidate, Outcome, Plan
from tidegate.domain.request import Request
from tidegate.errors import DeadlineExceeded, InvalidRequest, NoAnswer, UpstreamError
from tidegate.gateway.dispatch import Dispatch, Failed, Opened, Succeeded, told
from tidegate.gateway.record import Draft
from tidegate.gateway.settle import lost, unseen
from tidegate.ports.clock import Clock
from tidegate.ports.upstream import UpstreamCall
from tidegate.resilience.cascade import GiveUp, next_step

Result = TypeVar("Result", Succeeded, Opened)


@dataclass(frozen=True, slots=True)
class Won(Generic[Result]):
    """The candidate that answered, and what it gave."""

    candidate: Candidate
    result: Result


class Executor:
    """Runs plans."""

    def __init__(self, clock: Clock, dispatch: Dispatch) -> None:
        """Share the dispatch with whoever else makes calls, so that there is one way out."""
        self._clock = clock
        self._dispatch = dispatch

    async def whole(self, plan: Plan, draft: Draft, body: bytes | None = None) -> Won[Succeeded]:
        """Get a whole answer; raises NoAnswer or DeadlineExceeded."""

        def attempt(candidate: Candidate) -> Awaitable[Succeeded | Failed]:
            call = self._call(draft, candidate, body)
            started = draft.request.context.started
            if candidate.first_token_s is not None:
                return self._collected(draft, candidate, call)
            return self._dispatch.whole(draft.generation, candidate, call, started)

        return await self._drive(plan, draft, attempt)

    async def opened(self, plan: Plan, draft: Draft) -> Won[Opened]:
        """Get a stream at its first token; raises NoAnswer or DeadlineExceeded."""

        def attempt(candidate: Candidate) -> Awaitable[Opened | Failed]:
            call = self._call(draft, candidate, None)
            started = draft.request.context.started
            return self._dispatch.opened(draft.generation, candidate, call, started)

        return await self._drive(plan, draft, attempt)

    async def _drive(
        self,
        plan: Plan,
        draft: Draft,
        attempt: Callable[[Candidate], Awaitable[Result | Failed]],
    ) -> Won[Result]:
        """Follow the cascade until a candidate answers or nothing is left to try."""
        last: UpstreamError | None = None
        unable: InvalidRequest | None = None
        while True:
            now = self._clock.monotonic()
            step = next_step(plan, draft.attempts, now=now, deadline=draft.deadline)
            if isinstance(step, GiveUp):
                if unable is not None and last is None:
                    raise unable
                raise _no_answer(step, draft, last)
            if step.pause_s:
                await asyncio.sleep(step.pause_s)
            try:
                result = await attempt(step.candidate)
            except InvalidRequest as error:
                # This upstream's dialect cannot carry the request; that of another may.
                self._note(draft, step.candidate, "unable", since=now, detail=str(error))
                unable = unable or error
                continue
            except asyncio.CancelledError:
                draft.model = step.candidate.model
                self._note(draft, step.candidate, "cancelled", since=now + step.pause_s)
                raise
            if not isinstance(result, Failed):
                draft.attempts.append(result.attempt)
                return Won(step.candidate, result)
            draft.attempts.append(_with_what_it_used(result, draft.request))
            last = result.error

    def _note(
        self,
        draft: Draft,
        candidate: Candidate,
        outcome: Outcome,
        *,
        since: float,
        detail: str = "",
    ) -> None:
        """Note an attempt that gave neither an answer nor an upstream's error."""
        duration_s = self._clock.monotonic() - since
        attempt = Attempt(
            target=candidate.upstream,
            model=candidate.model,
            place=candidate.place,
            outcome=outcome,
            started_s=since - draft.request.context.started,
            duration_s=duration_s,
            detail=detail,
            # The call that was under way when the client left may have cost something.
            usage=unseen(draft.request, duration_s) if outcome == "cancelled" else None,
        )
        draft.attempts.append(attempt)

    def _call(self, draft: Draft, candidate: Candidate, body: bytes | None) -> UpstreamCall:
        return self._dispatch.call_for(draft, candidate, body)

    async def _collected(
        self, draft: Draft, candidate: Candidate, call: UpstreamCall
    ) -> Succeeded | Failed:
        """Get a whole answer by streaming it, so that the edge deadline sees the first token."""
        streamed = replace(call, stream=True, wants_usage=True)
        since = draft.request.context.started
        opened = await self._dispatch.opened(draft.generation, candidate, streamed, since)
        if isinstance(opened, Failed):
            return opened
        return await self._dispatch.collected(opened, candidate, call, since)


def _with_what_it_used(failed: Failed, request: Request) -> Attempt:
    attempt = failed.attempt
    usage = lost(request, failed.error, waited_s=attempt.duration_s, text_bytes=failed.text_bytes)
    return attempt if usage is None else replace(attempt, usage=usage)


def _no_answer(
    step: GiveUp, draft: Draft, last: UpstreamError | None
) -> NoAnswer | DeadlineExceeded:
    if step.reason == "deadline":
        return DeadlineExceeded("an upstream", draft.allowed_s)
    if step.reason == "policy":
        # Why no head looked helps whoever asked; how sure one was would be an oracle.
        why = next((f": {one.reason}" for one in draft.questions if one.task is None), "")
        return NoAnswer("policy", f"No tier may answer `{draft.request.model}`{why}.")
    return NoAnswer("failed", f"No tier answered: {told(draft.attempts)}.", last=last)
