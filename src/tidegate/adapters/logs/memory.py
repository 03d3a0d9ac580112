"""Log lines in memory, for tests."""

from collections import deque

from tidegate.domain.record import Record

_LIMIT = 10_000


class MemoryLog:
    """Implements `ports.Log`; keeps the newest lines."""

    def __init__(self, limit: int = _LIMIT) -> None:
        """Keep at most `limit` events and as many records."""
        self.events: deque[tuple[str, dict[str, str | float | bool | None]]] = deque(maxlen=limit)
        self.raw: deque[bytes] = deque(maxlen=limit)
        self.records: deque[Record] = deque(maxlen=limit)

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Keep one event."""
        self.events.append((name, fields))

    def lines(self, lines: bytes) -> None:
        """Keep lines."""
        self.raw.extend(lines.splitlines())

    def access(self, record: Record) -> None:
        """Keep the record of one access line."""
        self.records.append(record)
