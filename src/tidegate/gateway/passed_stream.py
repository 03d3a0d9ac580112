"""An answer that is passed on as it comes; its record is written before its end is told."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from tidegate.domain.record import AbortPhase
from tidegate.errors import DeadlineExceeded, TidegateError, UpstreamError
from tidegate.gateway.passed_record import PassedDraft
from tidegate.ports.clock import Clock
from tidegate.ports.http import HttpAnswer

OnEnd = Callable[[TidegateError | None, AbortPhase | None], None]


class PassedStream:
    """One answer on its way; iterate once, then `close`, on every path."""

    def __init__(self, draft: PassedDraft, answer: HttpAnswer, clock: Clock, on_end: OnEnd) -> None:
        """`on_end` is called exactly once: with what broke the answer, or how it was left."""
        self._draft = draft
        self._answer = answer
        self._clock = clock
        self._on_end: OnEnd | None = on_end

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes as they arrive; raises UpstreamError or DeadlineExceeded midway."""
        chunks = aiter(self._answer.chunks())
        try:
            while (chunk := await self._next(chunks)) is not None:
                self._draft.answer_bytes += len(chunk)
                yield chunk
        except (UpstreamError, DeadlineExceeded) as error:
            self._end(error, None)
            raise
        self._end(None, None)

    async def close(self) -> None:
        """Close the upstream and, when the answer had not ended, record that the client left."""
        try:
            await self._answer.close()
        finally:
            self._end(None, "streaming")

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        left = self._draft.deadline - self._clock.monotonic()
        try:
            async with asyncio.timeout(left):
                return await anext(chunks, None)
        except TimeoutError as error:
            raise DeadlineExceeded("the rest of an answer") from error

    def _end(self, error: TidegateError | None, abort: AbortPhase | None) -> None:
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end(error, abort)
