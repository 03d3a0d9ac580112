"""What one generation knows from traffic: tasks that learned bundles answer, newest verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import SHARED, Owner
from tidegate.domain.learn_policy import AUTOMATIC, LearnPolicy
from tidegate.domain.route import Route
from tidegate.gateway.watch import Watch
from tidegate.tasks.classify import LoadedTask


@dataclass(frozen=True, slots=True)
class Sampling:
    """How requests of one owner become audit rows now."""

    share: float
    stratum: int


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """Never changes once it serves; every verdict makes a new generation."""

    policy: LearnPolicy = field(default_factory=LearnPolicy)
    tasks: Mapping[Owner, LoadedTask] = field(default_factory=dict)
    """Those whose guarantee is granted."""
    by_tenant: Mapping[str, Sequence[tuple[str, LoadedTask]]] = field(default_factory=dict)
    """The same by tenant, with the task's name; under `*` what all share."""
    verdicts: Mapping[Owner, Guarantee] = field(default_factory=dict)
    """The newest of each owner, whatever its state."""
    watch: Watch = field(default_factory=Watch)
    """Of this process; the same in all its generations."""

    def serving(self, route: Route, tenant: str) -> list[LoadedTask]:
        """Give the learned tasks that may answer a tenant's questions on a route."""
        if not route.learns:
            return []
        return [
            loaded
            for of in (tenant, SHARED)
            for name, loaded in self.by_tenant.get(of, ())
            if name in route.tasks or name.startswith(AUTOMATIC)
        ]

    def sampling(self, owner: Owner, *, is_looked: bool) -> Sampling:
        """Tell with which probability a request becomes an audit row, and in which sample.

        While nothing of a task is answered here, every request is one. What a head looked at and
        sent up is no sample, whoever trained that head: `is_looked`.
        """
        verdict = self.verdicts.get(owner)
        if verdict is None:
            return Sampling(self.policy.audit_share if is_looked else 1.0, 0)
        if owner in self.tasks:
            return Sampling(verdict.audit_share or self.policy.audit_share, verdict.audit_stratum)
        return Sampling(self.policy.audit_share if is_looked else 1.0, verdict.audit_stratum)


def learned(
    policy: LearnPolicy,
    tasks: Mapping[Owner, LoadedTask],
    verdicts: Mapping[Owner, Guarantee],
    watch: Watch,
) -> Learned:
    """Arrange what was loaded for looking up by tenant."""
    by_tenant: dict[str, list[tuple[str, LoadedTask]]] = {}
    for owner, loaded in tasks.items():
        by_tenant.setdefault(owner.tenant, []).append((owner.task, loaded))
    return Learned(policy, tasks, by_tenant, verdicts, watch)
