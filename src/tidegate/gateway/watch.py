"""What a process that serves keeps of guarantees, whatever generation a request began with.

Under which of them it was told to answer no more, how many answers it gave under each, and whether
traffic is still like what they were tested on. Generations come and go; this stays.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tidegate.domain.guarantee import Grant
from tidegate.gateway.shift import ShiftWatches
from tidegate.tasks.classify import LoadedTask


@dataclass(slots=True)
class Watch:
    """Only the event loop uses it."""

    shifts: ShiftWatches = field(default_factory=ShiftWatches)
    given: Counter[Grant] = field(default_factory=Counter)
    """Answers delivered, repeats from the cache included, since they were last written down."""
    _revoked: dict[str, float] = field(default_factory=dict)
    """The newest of each task, by the time of its grant."""

    def revoke(self, grant: Grant) -> None:
        """Answer no more under a guarantee, at once and in every generation."""
        self._revoked[grant.task] = grant.granted_at

    def restore(self, grant: Grant) -> None:
        """Answer under it again: it was only not confirmed in time."""
        if self._revoked.get(grant.task) == grant.granted_at:
            del self._revoked[grant.task]

    def allows(self, promised: Iterable[Grant]) -> bool:
        """Tell whether an answer may be given that was made under these guarantees."""
        return not any(self._revoked.get(one.task) == one.granted_at for one in promised)

    def standing(self, loaded: LoadedTask) -> LoadedTask:
        """Give a task as it may answer now: a generation may be older than a suspension."""
        guarantee = loaded.guarantee
        if not self._revoked or guarantee is None or self.allows((guarantee.grant,)):
            return loaded
        return replace(loaded, guarantee=replace(guarantee, state="suspended"))

    def delivered(self, promised: Iterable[Grant]) -> None:
        """Count the answers that a client got."""
        self.given.update(promised)

    def taken(self) -> Counter[Grant]:
        """Hand the counts over; whoever takes them writes them down, or gives them back."""
        given, self.given = self.given, Counter()
        return given
