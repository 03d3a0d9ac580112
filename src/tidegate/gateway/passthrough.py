"""Passes sounds, files and batches on as they are: authorised, bounded, pinned, recorded.

Sounds are routed by their model and may fall back. Files and batches lie with one upstream, under
the operator's account; whose they are is noted here, and nobody else is told that they exist.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from tidegate.domain.identity import Scope
from tidegate.domain.passed import Bound, Passed
from tidegate.domain.plan import Candidate, Plan
from tidegate.domain.record import AbortPhase
from tidegate.domain.request import Context
from tidegate.errors import (
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    MalformedAnswer,
    NoAnswer,
    TidegateError,
    UnknownObject,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
)
from tidegate.gateway.generation import Generations
from tidegate.gateway.passed_call import Calls, no_answer
from tidegate.gateway.passed_record import PassedDraft, passed_record
from tidegate.gateway.passed_stream import PassedStream
from tidegate.gateway.record import CLIENT_LEFT, INTERNAL_ERROR, OK, Recorder
from tidegate.ports.clock import Clock
from tidegate.ports.http import HttpAnswer
from tidegate.ports.passthrough import Bindings, Passthrough
from tidegate.resilience.cascade import GiveUp, next_step
from tidegate.resilience.deadline import request_deadline
from tidegate.wire.passed_objects import (
    Made,
    encode_page,
    read_made,
    read_page,
    with_model,
)

T = TypeVar("T")

_MOST_PAGES = 20
_PAGE = 100
_OPERATORS_OWN = frozenset({401, 403, 407, 429})
"""Statuses below 500 that are about the operator's account, not about what the client asked."""


@dataclass(frozen=True, slots=True)
class PassedReply:
    """What goes back to the client."""

    status: int
    content_type: str
    content: "bytes | PassedStream"
    disposition: str | None = None


class PassOn:
    """Takes requests through that are passed on."""

    def __init__(
        self,
        clock: Clock,
        generations: Generations,
        recorder: Recorder,
        bindings: Bindings,
        status_of: Callable[[TidegateError], int],
    ) -> None:
        """`status_of` tells the HTTP status of an error, for the record."""
        self._clock = clock
        self._calls = Calls(clock)
        self._generations = generations
        self._recorder = recorder
        self._bindings = bindings
        self._status_of = status_of

    async def answer(self, passed: Passed, context: Context) -> PassedReply:
        """Pass one request on; raises TidegateError, whose record is written by then."""
        generation = self._generations.enter()
        draft = PassedDraft(passed, context, generation)
        reply: PassedReply | None = None
        try:
            reply = await self._through(draft)
        except asyncio.CancelledError:
            self._record(draft, CLIENT_LEFT, abort="before_first_byte")
            raise
        except TidegateError as error:
            self._record(draft, self._status_of(error), error=error)
            raise
        finally:
            if reply is None:
                self._record(draft, INTERNAL_ERROR)
            if reply is None or isinstance(reply.content, bytes):
                self._generations.leave(generation)
        return reply

    async def _through(self, draft: PassedDraft) -> PassedReply:
        passed = draft.passed
        scope: Scope = "audio" if passed.surface == "audio" else "batches"
        if not draft.context.identity.may(scope):
            raise Forbidden(f"This key has no scope `{scope}`.")
        if passed.surface == "audio":
            return self._streamed(draft, await self._routed(draft))
        upstream = await self._place_of(draft)
        if passed.doing == "list":
            return self._whole(draft, await self._listed(draft, upstream))
        try:
            answer = await self._calls.make(draft, upstream, passed)
        except UpstreamStatus as error:
            return self._refused_there(draft, error)
        except UpstreamError as error:
            raise no_answer(draft, error) from error
        if passed.path.endswith("/content"):
            return self._streamed(draft, answer)
        body = await self._calls.read(draft, answer)
        await self._note(draft, upstream, body)
        return self._whole(draft, body, answer.status)

    async def _routed(self, draft: PassedDraft) -> HttpAnswer:
        """Ask the upstreams of the model's route, nearest first, until one has an answer."""
        passed, generation = draft.passed, draft.generation
        route = generation.routes.find(passed.model)
        draft.route = route.name
        started = draft.context.started
        draft.deadline = request_deadline(started, route.deadline_s, draft.context.allowed_s)
        candidates = tuple(
            Candidate(one.upstream, one.model or passed.model, generation.places[one.upstream])
            for one in route.targets
            if isinstance(generation.upstreams[one.upstream], Passthrough)
        )
        if not candidates:
            raise InvalidRequest(
                f"No upstream of {passed.model!r} takes this path; it needs one of kind `openai`.",
                param="model",
                code="unsupported_api",
            )
        plan = Plan(candidates, "ordered")
        last: UpstreamError | None = None
        while True:
            now = self._clock.monotonic()
            step = next_step(plan, draft.attempts, now=now, deadline=draft.deadline)
            if isinstance(step, GiveUp):
                if step.reason == "deadline" or last is None:
                    raise DeadlineExceeded("an upstream", draft.deadline - started)
                raise no_answer(draft, last)
            if step.pause_s:
                await asyncio.sleep(step.pause_s)
            model = step.candidate.model
            call = replace(passed, body=with_model(passed, model))
            try:
                return await self._calls.make(draft, step.candidate.upstream, call, model)
            except UpstreamError as error:
                last = error

    async def _place_of(self, draft: PassedDraft) -> str:
        """Give the upstream of a file or batch; raises UnknownObject for another tenant's."""
        passed, batches = draft.passed, draft.generation.batches
        if batches is None:
            raise InvalidRequest(
                "This node takes no files and batches; its operator can name an upstream for them"
                " under `batches`.",
                code="unsupported_api",
            )
        started = draft.context.started
        draft.deadline = request_deadline(started, batches.deadline_s, draft.context.allowed_s)
        upstream = batches.upstream
        for object_id in (passed.object_id, *passed.needs):
            if not object_id:
                continue
            bound = await self._bindings.find(object_id)
            wanted = "files" if object_id in passed.needs else passed.surface
            if (
                bound is None
                or bound.tenant != draft.context.identity.tenant
                or bound.surface != wanted
                or bound.upstream not in draft.generation.upstreams
            ):
                raise UnknownObject(object_id)
            upstream = bound.upstream
            draft.input_bytes += bound.size_bytes
        return upstream

    async def _listed(self, draft: PassedDraft, upstream: str) -> bytes:
        """Collect what is the tenant's own from the pages of everybody's."""
        passed = draft.passed
        if passed.after:
            bound = await self._bindings.find(passed.after)
            if bound is None or bound.tenant != draft.context.identity.tenant:
                raise UnknownObject(passed.after)
        found: list[tuple[Made, msgspec.Raw]] = []
        after, has_more = passed.after, True
        for _ in range(_MOST_PAGES):
            query = [*passed.filters, ("limit", str(_PAGE)), *([("after", after)] if after else [])]
            call = replace(passed, path=f"{passed.path}?{urlencode(query)}")
            try:
                answer = await self._calls.make(draft, upstream, call)
            except UpstreamError as error:
                raise no_answer(draft, error) from error
            body = await self._calls.read(draft, answer)
            page = self._understood(upstream, read_page, body)
            for raw in page.data:
                made = self._understood(upstream, read_made, bytes(raw))
                after = made.id
                if await self._is_own(draft, upstream, made):
                    found.append((made, raw))
            has_more = page.has_more and bool(page.data)
            if len(found) > passed.limit or not has_more:
                break
        kept = found[: passed.limit]
        return encode_page(kept, has_more=len(found) > passed.limit or has_more)

    async def _is_own(self, draft: PassedDraft, upstream: str, made: Made) -> bool:
        bound = await self._bindings.find(made.id)
        if bound is None or bound.tenant != draft.context.identity.tenant:
            return False
        if bound.upstream != upstream:
            return False
        await self._bind_belongings(draft, upstream, made)
        return True

    async def _note(self, draft: PassedDraft, upstream: str, body: bytes) -> None:
        """Note whose what was made is, before the client learns its id."""
        passed = draft.passed
        if passed.doing == "delete":
            await self._bindings.forget(passed.object_id)
            return
        made = self._understood(upstream, read_made, body)
        if passed.doing == "create":
            tenant = draft.context.identity.tenant
            bound = Bound(tenant, upstream, passed.surface, passed.size_bytes)
            await self._bindings.bind(made.id, bound)
        await self._bind_belongings(draft, upstream, made)

    async def _bind_belongings(self, draft: PassedDraft, upstream: str, made: Made) -> None:
        if draft.passed.surface != "batches":
            return
        for file_id in made.belongings:
            bound = Bound(draft.context.identity.tenant, upstream, "files", 0)
            await self._bindings.bind(file_id, bound)

    def _understood(self, upstream: str, read: Callable[[bytes], T], body: bytes) -> T:
        try:
            return read(body)
        except MalformedAnswer as error:
            bad = UpstreamMalformed(upstream, str(error))
            raise NoAnswer("failed", str(bad), last=bad) from error

    def _whole(self, draft: PassedDraft, body: bytes, status: int = OK) -> PassedReply:
        draft.answer_bytes = len(body)
        self._record(draft, status)
        return PassedReply(status, "application/json", body)

    def _refused_there(self, draft: PassedDraft, error: UpstreamStatus) -> PassedReply:
        """Give what the upstream says of its own objects in its own words."""
        if error.status >= INTERNAL_ERROR or error.status in _OPERATORS_OWN:
            raise no_answer(draft, error)
        self._record(draft, error.status, error=error)
        return PassedReply(error.status, "application/json", error.body)

    def _streamed(self, draft: PassedDraft, answer: HttpAnswer) -> PassedReply:
        draft.first_byte_at = self._clock.monotonic()

        def on_end(error: TidegateError | None, abort: AbortPhase | None) -> None:
            self._record(draft, OK, error=error, abort=abort)
            self._generations.leave(draft.generation)

        stream = PassedStream(draft, answer, self._clock, on_end)
        kind = answer.headers.get("content-type", "application/octet-stream")
        return PassedReply(answer.status, kind, stream, answer.headers.get("content-disposition"))

    def _record(
        self,
        draft: PassedDraft,
        status: int,
        *,
        error: TidegateError | None = None,
        abort: AbortPhase | None = None,
    ) -> None:
        if draft.is_recorded:
            return
        draft.is_recorded = True
        now = self._clock.monotonic()
        name = None if error is None else type(error).__name__
        self._recorder.put(passed_record(draft, now=now, status=status, error=name, abort=abort))
