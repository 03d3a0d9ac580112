"""Counts the tokens of a conversation: where it would be answered, else by an estimate.

Nothing is generated, so there is nothing to settle, store or record.
"""

import asyncio
from dataclasses import dataclass

from tidegate.domain.request import Request
from tidegate.errors import DeadlineExceeded, Forbidden, UpstreamError
from tidegate.gateway.dispatch import Dispatch
from tidegate.gateway.generation import Generation, Generations
from tidegate.gateway.record import Draft
from tidegate.ports.clock import Clock
from tidegate.ports.upstream import TokenCounter
from tidegate.resilience.deadline import request_deadline
from tidegate.routing.plan import plan
from tidegate.wire.anthropic_count import estimated_count

ESTIMATED = ("input_tokens",)
"""What an estimate loses."""


@dataclass(frozen=True, slots=True)
class Count:
    """An answer of `count_tokens`."""

    body: bytes
    lossy: tuple[str, ...] = ()


class TokenCounts:
    """Counts for requests in Anthropic's dialect."""

    def __init__(self, clock: Clock, generations: Generations, dispatch: Dispatch) -> None:
        """`dispatch` describes the call as it does for an answer."""
        self._clock = clock
        self._generations = generations
        self._dispatch = dispatch

    async def count(self, request: Request) -> Count:
        """Count; raises Forbidden, UnknownModel or DeadlineExceeded.

        Only the upstream that would be asked first is asked: another one counts otherwise.
        """
        if not request.context.identity.may(request.surface):
            raise Forbidden(f"This key has no scope `{request.surface}`.")
        generation = self._generations.enter()
        try:
            counted = await self._ask(request, generation)
        finally:
            self._generations.leave(generation)
        return counted or Count(estimated_count(request.body), ESTIMATED)

    async def _ask(self, request: Request, generation: Generation) -> Count | None:
        """Have the first upstream count; None when it cannot, or fails."""
        draft = Draft(request, generation)
        route = draft.route = generation.routes.find(request.model)
        draft.deadline = request_deadline(
            request.context.started, route.deadline_s, request.context.allowed_s
        )
        rules = generation.rules.get(route.name, ())
        chosen = plan(
            request, route, places=generation.places, speaks=generation.speaks, rules=rules
        )
        if not chosen.candidates:
            return None
        candidate = chosen.candidates[0]
        upstream = generation.upstreams[candidate.upstream]
        if not isinstance(upstream, TokenCounter):
            return None
        call = self._dispatch.call_for(draft, candidate)
        try:
            async with asyncio.timeout(draft.deadline - self._clock.monotonic()):
                answer = await upstream.count_tokens(call)
        except UpstreamError:
            return None
        except TimeoutError as error:
            raise DeadlineExceeded("a count of tokens", draft.allowed_s) from error
        return None if answer is None else Count(answer.body, answer.lossy)
