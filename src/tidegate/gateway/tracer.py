"""Keeps traces: looks at each finished record, and hands on those that are worth sending."""

from collections.abc import Callable

from tidegate.domain.record import Record
from tidegate.domain.trace import Kept, KeptTrace
from tidegate.ports.clock import Clock
from tidegate.telemetry.sampling import TracePolicy, decide, full, spend


class Tracer:
    """Observes records; nothing is built for those that are not kept."""

    def __init__(self, clock: Clock, offer: Callable[[KeptTrace], None]) -> None:
        """`offer` takes a kept trace and returns at once."""
        self._clock = clock
        self._offer = offer
        self._policy: TracePolicy | None = None
        self._kept = full(0.0, 0.0)
        self._of_callers = full(0.0, 0.0)
        self.kept: dict[Kept, int] = dict.fromkeys(("error", "slow", "caller", "share"), 0)
        self.over_limit = 0
        """Traces that were worth keeping but beyond what the policy allows a second."""

    def follow(self, policy: TracePolicy | None) -> None:
        """Keep traces by another policy from here on; None keeps none."""
        if policy is not None and policy != self._policy:
            now = self._clock.monotonic()
            self._kept = full(policy.kept_per_s, now)
            self._of_callers = full(policy.caller_per_s, now)
        self._policy = policy

    def observe(self, record: Record) -> None:
        """Keep the trace of one finished request, or not."""
        policy = self._policy
        if policy is None:
            return
        why = decide(record, policy)
        if why is not None:
            self._keep(record, why, policy)

    def _keep(self, record: Record, why: Kept, policy: TracePolicy) -> None:
        now = self._clock.monotonic()
        may = True
        if why == "caller":
            self._of_callers, may = spend(self._of_callers, policy.caller_per_s, now)
        if may:
            self._kept, may = spend(self._kept, policy.kept_per_s, now)
        if not may:
            self.over_limit += 1
            return
        self.kept[why] += 1
        self._offer(KeptTrace(record, why))
