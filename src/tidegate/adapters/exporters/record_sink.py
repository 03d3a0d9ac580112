"""Appends records beside the ledger: in batches of JSON lines, never on a request's way.

What waits is bounded; beyond the bound the oldest are dropped and counted. A batch is tried until
it is taken, with growing pauses, so a receiver may see a record twice: its `request_id` tells.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.domain.record import Record
from tidegate.errors import UpstreamError, UpstreamStatus
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.wire import journal

Deliver = Callable[[bytes], Awaitable[None]]
"""Hands over whole lines; raises UpstreamError when they were not taken."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
LAST_TRY_S = 2.0
"""How long the last records may take when the node stops."""

_NEVER_TAKEN = frozenset({400, 413, 415, 422})
"""The receiver will not take this batch however often it is sent."""

_SUCCESS = range(200, 300)
_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SinkHealth:
    """How a sink stands."""

    name: str
    pending: int
    sent: int
    lost: int
    """Dropped because too many waited, because they were refused, or at the end."""
    last_error: str | None
    """Of the last try; None when it went well."""


class RecordSink:
    """Takes records and hands them on; told of each one as an `Observer` is."""

    def __init__(
        self,
        name: str,
        deliver: Deliver,
        clock: Clock,
        draw: Callable[[], float],
        *,
        queue: int,
        batch: int,
    ) -> None:
        """At most `queue` records wait, and `batch` go together; `draw` spreads the pauses."""
        self.name = name
        self._deliver = deliver
        self._clock = clock
        self._draw = draw
        self._waiting: deque[Record] = deque(maxlen=queue)
        self._batch_size = batch
        self._batch: Sequence[Record] = ()
        self._sent = 0
        self._lost = 0
        self._failures = 0
        self._not_before = 0.0
        self._last_error: str | None = None

    def observe(self, record: Record) -> None:
        """Keep one record until it is time."""
        if len(self._waiting) == self._waiting.maxlen:
            self._lost += 1
        self._waiting.append(record)

    def health(self) -> SinkHealth:
        """Tell how it stands."""
        pending = len(self._waiting) + len(self._batch)
        return SinkHealth(self.name, pending, self._sent, self._lost, self._last_error)

    async def flush(self) -> None:
        """Hand over what waits, unless a pause is under way; returns at the first failure."""
        if self._clock.monotonic() < self._not_before:
            return
        while self._batch or self._waiting:
            if not self._batch:
                count = min(len(self._waiting), self._batch_size)
                self._batch = [self._waiting.popleft() for _ in range(count)]
            lines = await asyncio.to_thread(_encoded, self._batch)
            try:
                await self._deliver(lines)
            except UpstreamError as error:
                self._note_failure(error)
                return
            self._sent += len(self._batch)
            self._batch = ()
            self._failures = 0
            self._last_error = None

    async def close(self) -> None:
        """Try once more; what is left then is lost here, and stands in the ledger."""
        self._not_before = 0.0
        try:
            async with asyncio.timeout(LAST_TRY_S):
                await self.flush()
        except TimeoutError:
            self._last_error = "no time was left"
        self._lost += len(self._batch) + len(self._waiting)
        self._batch = ()
        self._waiting.clear()

    def _note_failure(self, error: UpstreamError) -> None:
        self._last_error = str(error)
        if isinstance(error, UpstreamStatus) and error.status in _NEVER_TAKEN:
            self._lost += len(self._batch)
            self._batch = ()
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._not_before = self._clock.monotonic() + pause * (0.5 + self._draw() / 2)


def by_http(http: Http, name: str, path: str, headers: Mapping[str, str]) -> Deliver:
    """Post lines to a server; anything but success is an UpstreamError."""
    sent = {"content-type": "application/x-ndjson", **headers}
    is_open = False

    async def deliver(lines: bytes) -> None:
        nonlocal is_open
        if not is_open:
            await http.open()
            is_open = True
        answer = await http.request("POST", path, headers=sent, body=lines)
        try:
            await answer.read(_ANSWER_BYTES)
        finally:
            await answer.close()
        if answer.status not in _SUCCESS:
            raise UpstreamStatus(name, answer.status)

    return deliver


def _encoded(records: Sequence[Record]) -> bytes:
    return b"".join([journal.encode(record) for record in records])
