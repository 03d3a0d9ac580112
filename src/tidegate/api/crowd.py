"""How many connections a listener holds, and which of them go when there are too many.

Connections on which nothing is asked go first. When there are none, a new one is beyond the limit:
it may ask whether the node is alive, once, and is told so that there is no room for anything else.
Of those there are `EXTRA` at most; the one that has waited longest makes room for the next. So
there is a bound, and a probe always gets its answer.
"""

from typing import Protocol

EXTRA = 64
"""Connections beyond the limit, for probes and refusals."""

_AT_ONCE = 32
"""One in so many of the limit is let go at a time, so that looking for them is rare."""


class Guest(Protocol):
    """A connection as the crowd sees it."""

    def idle_until(self) -> tuple[bool, float] | None:
        """When it would be closed by itself; None while something is under way.

        First whether it has never asked anything: such a one goes after those that have.
        """
        ...

    def dismiss(self) -> None:
        """Close it."""
        ...


class Crowd:
    """The connections of one listener."""

    def __init__(self, limit: int) -> None:
        """Hold `limit` connections, and `EXTRA` beyond it."""
        self.limit = limit
        self._inside: set[Guest] = set()
        self._extra: dict[Guest, None] = {}

    def __len__(self) -> int:
        """Count all."""
        return len(self._inside) + len(self._extra)

    def enter(self, guest: Guest) -> bool:
        """Take a new connection in; tells whether it is within the limit."""
        if len(self._inside) >= self.limit:
            self._make_room()
        if len(self._inside) < self.limit:
            self._inside.add(guest)
            return True
        if len(self._extra) >= EXTRA:
            oldest = next(iter(self._extra))
            del self._extra[oldest]
            oldest.dismiss()
        self._extra[guest] = None
        return False

    def leave(self, guest: Guest) -> None:
        """Forget a connection that is gone."""
        self._inside.discard(guest)
        self._extra.pop(guest, None)

    def _make_room(self) -> None:
        """Let those go that have been idle longest."""
        waiting = [(since, one) for one in self._inside if (since := one.idle_until()) is not None]
        waiting.sort(key=lambda pair: pair[0])
        for _, one in waiting[: max(1, self.limit // _AT_ONCE)]:
            self._inside.discard(one)
            one.dismiss()
