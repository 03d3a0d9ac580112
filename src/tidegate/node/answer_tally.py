"""Counts answers given under guarantees so that the counts outlive the process.

Written twice a second, off the way of requests, and ahead: a process that is killed has counted too
many rather than too few, but for what it gave before it wrote for the first time.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.domain.guarantee import Grant
from tidegate.errors import StateError
from tidegate.gateway.watch import Watch

WRITE_EVERY_S = 0.5
AHEAD = 2
"""Times the answers of the busiest round so far."""


class AnswerTally:
    """Brings the counts of one serving process to the disk; others add to them."""

    def __init__(self, guarantees: SqliteGuarantees, watch: Watch, worker: int) -> None:
        """Takes over `guarantees`, and what an earlier process of this number left."""
        self._guarantees = guarantees
        self._watch = watch
        self._worker = worker
        self._busiest: Counter[Grant] = Counter()
        guarantees.take_over(worker)

    async def write(self) -> None:
        """Write what was given since the last time; what the disk refuses waits."""
        given = self._watch.taken()
        if not given:
            return
        self._busiest |= given
        try:
            await asyncio.to_thread(self._write, given, self._busiest)
        except StateError:
            self._watch.given.update(given)
            raise

    def close(self) -> None:
        """Write the rest, nothing ahead, and close."""
        given = self._watch.taken()
        try:
            self._write(Counter({grant: given[grant] for grant in self._busiest | given}), {})
        finally:
            self._guarantees.close()

    def _write(self, given: Mapping[Grant, int], busiest: Mapping[Grant, int]) -> None:
        counted = {grant: (count, AHEAD * busiest.get(grant, 0)) for grant, count in given.items()}
        if counted:
            self._guarantees.count(self._worker, counted)
