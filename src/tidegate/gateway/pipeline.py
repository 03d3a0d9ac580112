"""The way of a request, stage by stage. Read this first.

    authenticate -> draw the audit sample -> look up -> plan -> execute -> store -> record -> learn

Each stage is one call below. What a stage decides is a pure function elsewhere (`policy`, `cache`,
`routing`, `resilience`, `tasks`, `ledger`); this file only puts them in order. Streamed and whole
answers take the same way: a stream is stored and recorded when its last event passes.
"""

import asyncio
from collections.abc import Callable
from typing import assert_never

import msgspec

from tidegate.domain.answer import Answer
from tidegate.domain.plan import Plan
from tidegate.domain.record import Record
from tidegate.domain.request import Chat, Decisions, Embeddings, Request
from tidegate.errors import Forbidden, TidegateError
from tidegate.gateway.chat_heads import ChatHeads, chat_question
from tidegate.gateway.decide import Decider
from tidegate.gateway.embed import embed_here
from tidegate.gateway.execute import Executor
from tidegate.gateway.generation import Generations
from tidegate.gateway.record import CLIENT_LEFT, INTERNAL_ERROR, OK, Draft
from tidegate.gateway.repeat import Ticket
from tidegate.gateway.settle import settled
from tidegate.gateway.stream import Relay, Tools
from tidegate.ports.cache import Stored
from tidegate.resilience.deadline import request_deadline
from tidegate.routing.plan import plan
from tidegate.wire.dialects import CHAT_DIALECTS


class Reply(msgspec.Struct, frozen=True):
    """What goes back to the client: a whole body, or a relay that gives its chunks."""

    draft: Draft
    """What was decided on the way, for the headers."""
    content: bytes | Relay
    record: Record | None = None
    """Absent for a stream, whose record is written at its end."""


class Gateway:
    """Takes decoded requests through all stages."""

    def __init__(
        self,
        tools: Tools,
        generations: Generations,
        executor: Executor,
        status_of: Callable[[TidegateError], int],
    ) -> None:
        """`status_of` tells the HTTP status of an error, for the record."""
        self._tools = tools
        self._generations = generations
        self._executor = executor
        self._decider = Decider(tools.clock, executor)
        self._chat_heads = ChatHeads(tools.clock, tools.collector.shapes)
        self._status_of = status_of

    async def answer(self, request: Request) -> Reply:
        """Answer one request of an authenticated caller.

        Raises TidegateError when there is no answer; its record is written by then.
        """
        recorder = self._tools.recorder
        generation = self._generations.enter()
        draft = Draft(request, generation)
        reply: Reply | None = None
        try:
            reply = await self._through_the_stages(draft)
        except asyncio.CancelledError:
            recorder.write(draft, status=CLIENT_LEFT, abort_phase="before_first_byte")
            raise
        except TidegateError as error:
            recorder.write(draft, status=self._status_of(error), error=error)
            raise
        finally:
            if reply is None:
                # Written by now, unless a fault of ours is on its way to the outer edge.
                recorder.write(draft, status=INTERNAL_ERROR)
            if reply is None or isinstance(reply.content, bytes):
                self._generations.leave(generation)
        if isinstance(reply.content, bytes):
            self._tools.collector.observe(draft, reply.content)
        return reply

    async def _through_the_stages(self, draft: Draft) -> Reply:
        request = draft.request
        if not request.context.identity.may(request.surface):
            raise Forbidden(f"This key has no scope `{request.surface}`.")
        generation = draft.generation
        route = draft.route = generation.routes.find(request.model)
        draft.deadline = request_deadline(
            request.context.started, route.deadline_s, request.context.allowed_s
        )
        draft.lot = self._tools.collector.draw(draft)
        draft.chat = chat_question(draft)

        found = await self._tools.repeats.look_up(draft)
        if isinstance(found, Stored):
            return self._repeat(draft, found)

        chosen = plan(
            request,
            route,
            places=generation.places,
            speaks=generation.speaks,
            rules=generation.rules.get(route.name, ()),
        )
        draft.reason = chosen.reason
        try:
            answer = await self._chat_heads.answer(draft)
            if answer is None and request.stream:
                return await self._stream(draft, chosen, found)
            answer = answer or await self._execute(draft, chosen)
        except TidegateError as error:
            self._tools.repeats.fail(found, error)
            raise
        except BaseException:
            # The client left, or a fault of ours: those who wait must not wait for nothing.
            self._tools.repeats.leave(found)
            raise
        self._tools.repeats.store(found, answer)
        draft.lossy, draft.promised = answer.lossy, answer.promised
        body = _in_form(request, answer.body)
        return Reply(draft, body, self._tools.recorder.write(draft, status=OK))

    async def _execute(self, draft: Draft, chosen: Plan) -> Answer:
        """Get a whole answer from this node's engines, an upstream, or both."""
        ask = draft.request.ask
        match ask:
            case Decisions():
                return await self._decider.answer(draft, ask, chosen)
            case Embeddings() if draft.route is not None and draft.route.uses_encoder:
                return await embed_here(draft, ask, self._tools.clock)
            case Embeddings() | Chat():
                won = await self._executor.whole(chosen, draft)
                answer = won.result.answer
                draft.answered_upstream(won.candidate, answer.model)
                draft.usage = draft.paid = settled(draft.request, answer.usage, len(answer.body))
                return answer
            case _:
                assert_never(ask)

    async def _stream(self, draft: Draft, chosen: Plan, ticket: Ticket) -> Reply:
        """Open a stream; from here on falling back is over, see `stream.py`."""
        won = await self._executor.opened(chosen, draft)
        stream = won.result.stream
        draft.answered_upstream(won.candidate, stream.model)
        draft.lossy = stream.lossy
        generation = draft.generation
        relay = Relay(
            self._tools,
            draft,
            won.result,
            ticket,
            on_end=lambda: self._generations.leave(generation),
        )
        return Reply(draft, relay)

    def _repeat(self, draft: Draft, entry: Stored) -> Reply:
        """Answer from the cache, in the form in which this client wants it."""
        answer = entry.answer
        draft.source = "cache"
        draft.place = draft.generation.place
        draft.model = answer.model
        draft.usage = answer.usage
        draft.lossy, draft.promised = answer.lossy, answer.promised
        draft.reason = "cached"
        draft.whole = answer.body
        body = _in_form(draft.request, answer.body)
        return Reply(draft, body, self._tools.recorder.write(draft, status=OK))


def _in_form(request: Request, body: bytes) -> bytes:
    """Spell a whole answer out as a stream where the client wants one."""
    ask = request.ask
    if not (isinstance(ask, Chat) and ask.stream):
        return body
    events = CHAT_DIALECTS[request.dialect].replay(body, include_usage=ask.wants_usage)
    return b"".join([event.raw for event in events])
