"""Relays a streamed answer: bytes as they came, the record before the last of them.

A stream that breaks after its first token ends with an error event, never with `[DONE]`. When the
client leaves, the upstream is closed at once and what it had produced is settled.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from tidegate.domain.answer import Answer, Usage
from tidegate.domain.event import Event
from tidegate.domain.plan import Attempt
from tidegate.domain.request import Request
from tidegate.errors import DeadlineExceeded, MalformedAnswer, TidegateError, UpstreamError
from tidegate.gateway.collect import Collector
from tidegate.gateway.dispatch import Opened, outcome_of
from tidegate.gateway.record import OK, Draft, Recorder
from tidegate.gateway.repeat import Repeats, Ticket
from tidegate.gateway.settle import settled, settled_so_far
from tidegate.ports.clock import Clock
from tidegate.ports.upstream import Batch
from tidegate.wire.dialects import CHAT_DIALECTS


@dataclass(frozen=True, slots=True)
class Tools:
    """What relaying needs of the gateway."""

    clock: Clock
    recorder: Recorder
    repeats: Repeats
    collector: Collector


class Relay:
    """One streamed answer on its way; iterate once, then `close`, on every path."""

    def __init__(
        self,
        tools: Tools,
        draft: Draft,
        opened: Opened,
        ticket: Ticket,
        *,
        on_end: Callable[[], None],
    ) -> None:
        """`on_end` is called exactly once, when the relay is closed."""
        self._tools = tools
        self._draft = draft
        self._opened = opened
        self._ticket = ticket
        self._on_end = on_end
        self._started = tools.clock.monotonic()
        self._text_bytes = 0
        is_kept = ticket.key is not None or draft.chat is not None
        self._kept: list[Event] | None = [] if is_kept else None
        self._is_closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes for the client, as they arrive."""
        try:
            for batch in self._opened.first:
                yield self._pass_on(batch)
            while not self._draft.is_recorded:
                batch = await self._next()
                yield self._pass_on(batch)
        except (UpstreamError, DeadlineExceeded) as error:
            self._fail(error)
            dialect = CHAT_DIALECTS[self._draft.request.dialect]
            yield dialect.error_event(str(error), type="server_error", code=_code(error)).raw

    async def close(self) -> None:
        """Close the upstream and, when the stream had not ended, record that the client left."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if not self._draft.is_recorded:
                self._settle(settled_so_far)
                self._tools.repeats.leave(self._ticket)
                self._tools.recorder.write(self._draft, status=OK, abort_phase="streaming")
            await self._opened.stream.close()
        finally:
            self._on_end()

    async def _next(self) -> Batch:
        """Wait for the next batch, but not beyond the request's deadline."""
        left = self._draft.deadline - self._tools.clock.monotonic()
        try:
            async with asyncio.timeout(left):
                return await anext(self._opened.rest)
        except TimeoutError as error:
            raise DeadlineExceeded("the rest of a stream", self._draft.allowed_s) from error

    def _pass_on(self, batch: Batch) -> bytes:
        """Note one batch; the last one completes the record before its bytes leave."""
        raw = b"".join([event.raw for event in batch.events])
        self._text_bytes += batch.text_bytes
        if self._kept is not None:
            self._kept.extend(batch.events)
        if batch.is_end:
            self._complete()
        return raw

    def _complete(self) -> None:
        self._settle(settled)
        self._tools.recorder.write(self._draft, status=OK)
        stream = self._opened.stream
        if self._kept is None:
            self._tools.repeats.leave(self._ticket)
            return
        try:
            dialect = CHAT_DIALECTS[self._draft.request.dialect]
            body = dialect.aggregate(self._kept, stream.usage)
        except MalformedAnswer:
            # It has been relayed as it was; it just cannot be repeated.
            self._tools.repeats.leave(self._ticket)
            return
        answer = Answer(body, stream.model, stream.usage, stream.lossy, may_store=stream.may_store)
        self._tools.repeats.store(self._ticket, answer)
        self._tools.collector.observe(self._draft, body)

    def _fail(self, error: TidegateError) -> None:
        """Record a stream that broke after its first token."""
        self._settle(settled_so_far)
        attempts = self._draft.attempts
        attempts[-1] = self._broken(attempts[-1], error)
        self._tools.repeats.leave(self._ticket)
        self._tools.recorder.write(self._draft, status=OK, error=error)

    def _broken(self, attempt: Attempt, error: TidegateError) -> Attempt:
        outcome = outcome_of(error) if isinstance(error, UpstreamError) else "deadline"
        return replace(attempt, outcome=outcome, detail=str(error))

    def _settle(self, settle: Callable[[Request, Usage | None, int], Usage]) -> None:
        """Note usage so far and the time that the stream took."""
        draft = self._draft
        stream = self._opened.stream
        draft.stream_s = self._tools.clock.monotonic() - self._started
        draft.usage = draft.paid = settle(draft.request, stream.usage, self._text_bytes)
        draft.model = stream.model or draft.model


def _code(error: TidegateError) -> str:
    return "deadline_exceeded" if isinstance(error, DeadlineExceeded) else "upstream_failed"
