"""Cached answers in memory, bounded by bytes, the least recently used going first.

Answers are personal data of their tenant; they are never written to disk.
"""

from collections import OrderedDict

from tidegate.ports.cache import Stored

ENTRY_OVERHEAD_BYTES = 512
"""What an entry costs beside its body: key, objects, the dictionary's slot (measured, rounded)."""


class MemoryCache:
    """Implements `ports.CacheStore`."""

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes` bounds bodies and bookkeeping together; 0 keeps nothing."""
        self._limit = limit_bytes
        self._entries: OrderedDict[bytes, Stored] = OrderedDict()
        self._size = 0

    @property
    def size_bytes(self) -> int:
        """Bytes in use, bookkeeping included."""
        return self._size

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)

    def get(self, key: bytes) -> Stored | None:
        """Give the entry, fresh or not, and mark it as used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Stored) -> None:
        """Keep an entry; one larger than the whole bound is not kept."""
        size = _size(entry)
        if (previous := self._entries.pop(key, None)) is not None:
            self._size -= _size(previous)
        if size > self._limit:
            return
        self._entries[key] = entry
        self._size += size
        while self._size > self._limit:
            _, oldest = self._entries.popitem(last=False)
            self._size -= _size(oldest)

    def clear(self) -> int:
        """Forget everything; gives the number of entries there were."""
        count = len(self._entries)
        self._entries.clear()
        self._size = 0
        return count


def _size(entry: Stored) -> int:
    return len(entry.answer.body) + ENTRY_OVERHEAD_BYTES
