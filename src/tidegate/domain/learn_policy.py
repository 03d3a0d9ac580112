"""What the operator allows learning to take and to cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tidegate.domain.exchange import SharedKeys
from tidegate.domain.label import SHARED, Owner
from tidegate.domain.task import Task

AUTOMATIC = "auto-"
"""How the names of tasks begin that a question without a task gets."""
_DIGITS = 16

LearnRole = Literal["learn", "collect", "serve"]
"""`learn`: this node fits, tests and grants. `collect`: it sends labels to the node that does, and
serves what was learned there. `serve`: as that, but of its audits it sends counts alone."""


@dataclass(frozen=True, slots=True)
class LearnPolicy:
    """Settings of `learning`, and whose labels are whose."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    """Configured tasks by the fingerprint of their question."""
    audit_share: float = 0.02
    audits_per_day: int = 2_000
    audits_at_once: int = 2
    twice_share: float = 0.01
    automatic_tasks: int = 20
    feedback_days: float = 7.0
    """How long after an answer a label for it is taken; 0: never."""
    keep_text: frozenset[str] = frozenset()
    """Tenants that allow that texts are kept beside their labels."""
    role: LearnRole = "learn"
    roles: Mapping[str, LearnRole] = field(default_factory=dict)
    """Of tasks that have another than that."""
    shared: SharedKeys | None = None
    """The learner's keys, where rows may go to it and it has told them."""

    def role_of(self, task: str) -> LearnRole:
        """Tell what this node does about learning a task."""
        return self.roles.get(task, self.role)

    def task_of(self, fingerprint: str) -> str:
        """Name the task of a question: the configured one, else one of its own."""
        task = self.tasks.get(fingerprint)
        return f"{AUTOMATIC}{fingerprint[:_DIGITS]}" if task is None else task.name

    def owner_of(self, fingerprint: str, tenant: str) -> Owner:
        """Tell whose label an answer to this question is."""
        task = self.tasks.get(fingerprint)
        if task is None:
            return Owner(f"{AUTOMATIC}{fingerprint[:_DIGITS]}", tenant)
        return Owner(task.name, SHARED if task.shares_labels else tenant)
