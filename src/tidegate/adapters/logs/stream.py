"""Log lines on a file descriptor: JSON for machines, text for a terminal.

Formatting happens in the caller (microseconds), writing in a thread of its own, so that a reader
that is slow, stalled or gone never holds up a request. Lines hold fields, never request text.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from select import PIPE_BUF
from typing import Literal

import msgspec

from tidegate.domain.record import Record
from tidegate.ports.clock import Clock
from tidegate.wire.surrogates import without_surrogates

Field = str | int | float | bool | None

FLUSH_S = 0.2
"""Access lines are written together after at most this long; events are written at once."""

LINE_LIMIT = 20_000
"""Lines kept while nobody reads; beyond that the oldest are dropped and counted: about 10 MB."""

_CLOSE_S = 1.0


class _Access(msgspec.Struct):
    time: str
    event: str
    request_id: str
    tenant: str
    surface: str
    model_asked: str
    route: str
    status: int
    source: str | None
    tier: str | None
    upstream: str | None
    model: str | None
    reason: str
    cache: str
    stream: bool
    duration_ms: float
    overhead_ms: float
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int
    is_estimated: bool
    generation: int
    client_request_id: str | None
    trace_id: str | None
    abort_phase: str | None
    error: str | None


class StreamLog:
    """Implements `ports.Log`."""

    def __init__(
        self,
        descriptor: int,
        style: Literal["json", "text"],
        clock: Clock,
        *,
        line_limit: int = LINE_LIMIT,
        is_shared: bool = False,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        """`is_shared`: other processes write to the same descriptor, so lines must not mix.

        `write` is the system call; another one only to imitate a broken reader.
        """
        self._is_shared = is_shared
        self._descriptor = descriptor
        self._is_json = style == "json"
        self._clock = clock
        self._write = write
        self._lines: deque[bytes] = deque(maxlen=line_limit)
        self._lost = 0
        self._second = -1
        self._prefix = ""
        self._encoder = msgspec.json.Encoder()
        self._has_lines = threading.Event()
        self._is_urgent = threading.Event()
        self._is_closing = False
        self._writer = threading.Thread(target=self._run, name="log-writer", daemon=True)

    @property
    def lost(self) -> int:
        """Lines that were dropped because they could not be written."""
        return self._lost

    def open(self) -> None:
        """Start the writing thread."""
        self._writer.start()

    def event(self, name: str, **fields: Field) -> None:
        """Write one event, soon: `name` is short and fixed (`"upstream.timeout"`)."""
        now = self._clock.now()
        if self._is_json:
            line = self._json({"time": self._stamp(now), "event": name, **fields})
        else:
            shown = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
            line = f"{self._stamp(now)[11:23]} {name} {shown}".rstrip().encode(errors="replace")
        self._keep(line + b"\n")
        self._is_urgent.set()

    def access(self, record: Record) -> None:
        """Write the one line of a request, within FLUSH_S."""
        self._keep(self._access_json(record) if self._is_json else self._access_text(record))

    def lines(self, lines: bytes) -> None:
        """Write whole lines as they are, within FLUSH_S."""
        self._keep(lines)

    def flush(self) -> None:
        """Ask for what is buffered to be written now; does not wait."""
        self._is_urgent.set()

    def close(self) -> None:
        """Write what is buffered, waiting at most a second for the reader."""
        self._is_closing = True
        self._is_urgent.set()
        self._has_lines.set()
        if self._writer.is_alive():
            self._writer.join(_CLOSE_S)

    def _keep(self, line: bytes) -> None:
        if len(self._lines) == self._lines.maxlen:
            self._lost += 1
        self._lines.append(line)
        if not self._has_lines.is_set():
            self._has_lines.set()

    def _run(self) -> None:
        while not (self._is_closing and not self._lines):
            self._has_lines.wait()
            self._is_urgent.wait(FLUSH_S)
            self._is_urgent.clear()
            self._has_lines.clear()
            self._write_lines()

    def _write_lines(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        for piece in _pieces(lines) if self._is_shared else (lines,):
            if not self._write_whole(b"".join(piece)):
                # Nobody reads any more; the ledger has every record, so the node serves on.
                self._lost += len(lines)
                return

    def _write_whole(self, data: bytes) -> bool:
        """Write all of it; tell whether somebody reads it."""
        while data:
            try:
                data = data[self._write(self._descriptor, data) :]
            except BlockingIOError:
                # A non-blocking pipe that is full: the rest waits its turn here, not in a request.
                time.sleep(FLUSH_S)
            except OSError:
                return False
        return True

    def _stamp(self, now: float) -> str:
        """Give the time in UTC as RFC 3339 with milliseconds; the second's part is kept."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._prefix}{int((now - second) * 1000):03d}Z"

    def _access_json(self, record: Record) -> bytes:
        line = _Access(
            time=self._stamp(record.time),
            event="access",
            request_id=record.request_id,
            tenant=record.tenant,
            surface=record.surface,
            model_asked=record.model_asked,
            route=record.route,
            status=record.status,
            source=record.source,
            tier=record.tier,
            upstream=record.upstream,
            model=record.model,
            reason=record.reason,
            cache=record.cache,
            stream=record.stream,
            duration_ms=round(record.duration_s * 1000, 3),
            overhead_ms=round(record.overhead_s * 1000, 3),
            attempts=len(record.attempts),
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            cost_micro_usd=record.cost_micro_usd,
            is_estimated=record.usage_is_estimated or record.cost_is_estimated,
            generation=record.generation,
            client_request_id=record.client_request_id,
            trace_id=record.trace_id,
            abort_phase=record.abort_phase,
            error=record.error,
        )
        return self._json(line) + b"\n"

    def _json(self, line: object) -> bytes:
        try:
            return self._encoder.encode(line)
        except UnicodeEncodeError:
            return self._encoder.encode(without_surrogates(msgspec.to_builtins(line)))

    def _access_text(self, record: Record) -> bytes:
        where = "/".join(part for part in (record.source, record.tier, record.upstream) if part)
        line = (
            f"{self._stamp(record.time)[11:23]} {record.status} {record.surface}"
            f" {_shown(record.model_asked)} {where or '-'} {record.duration_s * 1000:.1f}ms"
            f" {_shown(record.reason)}"
        )
        if record.error is not None:
            line += f" error={record.error}"
        return line.encode(errors="replace") + b"\n"


def _pieces(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut into runs of lines that a pipe takes whole, if not by one line alone (pipe(7))."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > PIPE_BUF:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    yield piece


def _shown(value: Field) -> str:
    """Show a value on one line; control characters would let a client forge lines."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)
