"""Where a node writes down what happens to it."""

from typing import Protocol

from tidegate.domain.record import Record


class Log(Protocol):
    """Lines for operators; never raises, never holds request text or keys."""

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Write one line with a short fixed name, as in `"config.reloaded", generation=2`."""
        ...

    def access(self, record: Record) -> None:
        """Write the access line of one request."""
        ...

    def lines(self, lines: bytes) -> None:
        """Write whole lines as they are."""
        ...
