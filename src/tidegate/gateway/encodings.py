"""What the engines say about the texts of one request: each distinct text is read once by each.

Made with the first stage that asks and shared by all that follow (look-up, routing, guardrails,
tasks). Stages ask one after another.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tidegate.domain.encoding import Encoding, StaticEncoding, Wants
from tidegate.ports.clock import Clock
from tidegate.ports.encoder import Encoder, StaticTable

T = TypeVar("T")


class Encodings:
    """The encodings of one request, kept as long as it."""

    def __init__(
        self,
        encoder: Encoder,
        deadline: float,
        clock: Clock,
        static: StaticTable | None = None,
    ) -> None:
        """`deadline`, in monotonic seconds, is that of the request."""
        self.encoder = encoder
        self.static = static
        self.local_s = 0.0
        """Seconds spent on encoding, by static embeddings too, without those in the queue."""
        self.queue_s = 0.0
        """Seconds in the queue; where texts waited side by side, their mean."""
        self.windows = 0
        """Runs of the encoder."""
        self._deadline = deadline
        self._clock = clock
        self._known: dict[str, Encoding] = {}
        self._known_static: dict[str, StaticEncoding | None] = {}
        self._queued_s = 0.0

    def static_of(self, text: str) -> StaticEncoding | None:
        """Give the static embedding of one text; None where the encoder has to look."""
        if self.static is None:
            return None
        if text not in self._known_static:
            started = self._clock.monotonic()
            self._known_static[text] = self.static.embed(text)
            self.local_s += max(0.0, self._clock.monotonic() - started)
        return self._known_static[text]

    async def of(self, text: str, wants: Wants = "vector") -> Encoding:
        """Give the encoding of one text; raises what the encoder raises."""
        started = self._clock.monotonic()
        try:
            return await self._encoded(text, wants)
        finally:
            self._note(started, lanes=1)

    async def each(self, texts: Sequence[str], use: Callable[[Encoding], T]) -> list[T]:
        """Give what `use` makes of every text, in order.

        As many texts are under way as the encoder has threads, no more: a large request leaves room
        for others. `use` is called once for a distinct text, as soon as it is encoded, so that the
        event loop gets its work in small pieces.
        """
        lanes = min(self.encoder.threads, len(texts))
        made: dict[str, T] = {}
        rest = iter(dict.fromkeys(texts))
        started = self._clock.monotonic()
        try:
            if lanes == 1:
                await self._lane(rest, made, use)
            else:
                async with asyncio.TaskGroup() as group:
                    for _ in range(lanes):
                        group.create_task(self._lane(rest, made, use))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self._note(started, lanes=lanes)
        return [made[text] for text in texts]

    async def _lane(
        self, texts: Iterator[str], made: dict[str, T], use: Callable[[Encoding], T]
    ) -> None:
        for text in texts:
            made[text] = use(await self._encoded(text, "vector"))

    async def _encoded(self, text: str, wants: Wants) -> Encoding:
        known = self._known.get(text)
        if known is not None and (wants == "vector" or known.tokens is not None):
            return known
        encoding = await self.encoder.encode(text, self._deadline, wants=wants)
        self._known[text] = encoding
        self.windows += encoding.window_count
        self._queued_s += encoding.queue_s
        return encoding

    def _note(self, started: float, *, lanes: int) -> None:
        """Part the time that has passed between queue and engine."""
        queue_s, self._queued_s = self._queued_s / lanes, 0.0
        self.queue_s += queue_s
        self.local_s += max(0.0, self._clock.monotonic() - started - queue_s)
