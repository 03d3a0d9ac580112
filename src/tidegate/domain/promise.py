"""What an operator asks of a task's local answers; a guarantee is the answer to it."""

from dataclasses import dataclass, field
from typing import Literal

from tidegate.domain.guarantee import Loss, Mode, Unit

LabelKind = Literal["gold", "human", "agreement"]
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Promise:
    """Settings of a task that has `max_error`."""

    max_error: float
    delta: float = 0.05
    """1 - `confidence`."""
    client_max_errors: tuple[float, ...] = ()
    """Stricter ones that a client may ask for; ascending. They share delta with `max_error`."""
    mode: Mode = "ltt"
    loss: Loss = field(default_factory=lambda: Loss("choice"))
    unit: Unit = "delivered answer"
    labels: LabelKind = "agreement"
    together: tuple[str, ...] = ()
    """Tasks whose questions come in one request and are promised as one, the first being the one
    that states the promise; empty: the task by itself."""
    expires_after_s: float = 30 * DAY_S
    expires_after_answers: int = 1_000_000

    @property
    def alphas(self) -> tuple[float, ...]:
        """All levels, strictest first; the last one is the task's own."""
        return (*self.client_max_errors, self.max_error)
