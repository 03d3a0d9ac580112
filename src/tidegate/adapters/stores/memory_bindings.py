"""Whose the files and batches at upstreams are, in memory: for tests."""

from tidegate.domain.passed import Bound

_MOST = 100_000


class MemoryBindings:
    """Implements `ports.Bindings`."""

    def __init__(self) -> None:
        """Nothing is anybody's."""
        self._bound: dict[str, Bound] = {}

    async def bind(self, object_id: str, bound: Bound) -> None:
        """Note whose an object is; the first to be noted keeps it."""
        self._bound.setdefault(object_id, bound)
        if len(self._bound) > _MOST:
            del self._bound[next(iter(self._bound))]

    async def find(self, object_id: str) -> Bound | None:
        """Tell whose an object is."""
        return self._bound.get(object_id)

    async def forget(self, object_id: str) -> None:
        """Note that an object is gone."""
        self._bound.pop(object_id, None)
