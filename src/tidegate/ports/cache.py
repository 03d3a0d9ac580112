"""Where answers are kept for the next who asks."""

from typing import Protocol

import msgspec

from tidegate.domain.answer import Answer


class Stored(msgspec.Struct, frozen=True):
    """A cached answer: whole, complete, in the dialect in which it was asked for."""

    answer: Answer
    stored_at: float
    """Seconds since the epoch."""
    ttl_s: float


class CacheStore(Protocol):
    """Answers by key, bounded by bytes; what was used longest ago goes first."""

    def get(self, key: bytes) -> Stored | None:
        """Give the entry, fresh or not."""
        ...

    def put(self, key: bytes, entry: Stored) -> None:
        """Keep an entry; one larger than the whole bound is not kept."""
        ...

    def clear(self) -> int:
        """Forget everything; gives the number of entries there were."""
        ...
