"""Watches the traffic of guaranteed tasks without labels, decision by decision, in this process."""

from dataclasses import dataclass, field

from tidegate.domain.guarantee import Guarantee
from tidegate.learning.drift import Reference, ShiftWatch, held_against, observe_shift, watch_shift


@dataclass(frozen=True, slots=True)
class ShiftAlarm:
    """Traffic is no longer what the guarantee of a task was tested on."""

    task: str
    granted_at: float
    """Which of the task's guarantees is meant."""
    reason: str


@dataclass(slots=True)
class _Running:
    """The watch over one guarantee."""

    granted_at: float
    known: Reference
    watch: ShiftWatch
    former: float | None
    """The task's guarantee before; requests under way may still bring it."""
    seen: int = 0


@dataclass(slots=True)
class ShiftWatches:
    """One watch a guarantee; outlives generations, begins anew with a process.

    Only the event loop steps it. An alarm waits in `alarms` until it has been written down.
    """

    alarms: list[ShiftAlarm] = field(default_factory=list)
    _running: dict[str, _Running] = field(default_factory=dict)

    def observe(self, guarantee: Guarantee | None, score: float) -> None:
        """Take the accept score of one decision, answered here or not."""
        if guarantee is None or guarantee.tails is None:
            return
        running = self._running.get(guarantee.task)
        if running is not None and running.former == guarantee.granted_at:
            # A request that began before the newer guarantee served says nothing about that one.
            return
        if running is None or running.granted_at != guarantee.granted_at:
            # Another one is newer, whatever the clock says: it may have gone back.
            known, former = held_against(guarantee.tails), running
            running = _Running(
                guarantee.granted_at,
                known,
                watch_shift(known),
                None if former is None else former.granted_at,
            )
            self._running[guarantee.task] = running
        if running.watch.is_alarmed:
            return
        running.watch = observe_shift(running.watch, running.known, score)
        running.seen += 1
        if running.watch.is_alarmed:
            reason = (
                f"traffic is no longer what it was tested on: too many of the last {running.seen}"
                " texts are unlike it"
            )
            self.alarms.append(ShiftAlarm(guarantee.task, guarantee.granted_at, reason))
