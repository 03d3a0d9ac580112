"""The way of kept traces to the collector: a bounded queue, batches, retries, counted losses."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, assert_never

from tidegate.domain.trace import Delivery, KeptTrace
from tidegate.telemetry.delivery import Again, Done, GiveUp, Lost, next_step

BATCH = 64
"""Traces sent at once: encoding them holds up the event loop for some 3 ms."""

QUEUE = 2_048
"""Traces that wait at most: about 6 MB."""

Loss = Literal[Lost, "queue_full", "rejected", "shutdown"]
"""`rejected`: single spans that the collector did not take of a batch; the others are traces."""


class TraceQueue:
    """Filled by requests, emptied by one background task."""

    def __init__(
        self,
        encode: Callable[[Sequence[KeptTrace]], bytes],
        send: Callable[[bytes], Awaitable[Delivery]],
        *,
        draw: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limit: int = QUEUE,
    ) -> None:
        """`draw` spreads retries; `pause` is another one only for a clock by hand."""
        self._encode = encode
        self._send = send
        self._draw = draw
        self._pause = pause
        self._limit = limit
        self._waiting: deque[KeptTrace] = deque()
        self.delivered = 0
        self.lost: dict[Loss, int] = dict.fromkeys(
            ("queue_full", "refused", "unreachable", "rejected", "shutdown"), 0
        )
        self.trouble: str | None = None
        """What the collector said last, while it does not take batches."""

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, trace: KeptTrace) -> None:
        """Take one kept trace; beyond the limit it is dropped and counted."""
        if len(self._waiting) >= self._limit:
            self.lost["queue_full"] += 1
            return
        self._waiting.append(trace)

    async def drain(self) -> None:
        """Send everything that waits; a batch leaves the queue when it is delivered or lost.

        So a cancelled call loses nothing, though the collector may get that batch twice.
        """
        while self._waiting:
            await self._deliver()

    async def close(self, within_s: float) -> None:
        """Send what is left for at most `within_s`; the rest is lost and counted."""
        try:
            async with asyncio.timeout(within_s):
                await self.drain()
        except TimeoutError:
            self.lost["shutdown"] += len(self._waiting)
            self._waiting.clear()

    async def _deliver(self) -> None:
        """Carry one batch to its end: delivered, or given up."""
        batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
        body = self._encode(batch)
        tries = 0
        while True:
            delivery = await self._send(body)
            tries += 1
            step = next_step(delivery, tries, self._draw())
            match step:
                case Done():
                    self.delivered += len(batch)
                    self.lost["rejected"] += delivery.rejected
                    self.trouble = delivery.message or None
                case GiveUp(why):
                    self.lost[why] += len(batch)
                    self.trouble = delivery.message or f"it answered {delivery.status}"
                case Again(pause_s):
                    self.trouble = delivery.message or f"it answered {delivery.status}"
                    await self._pause(pause_s)
                    continue
                case _:
                    assert_never(step)
            break
        # Only this task takes from the front.
        for _ in batch:
            self._waiting.popleft()
