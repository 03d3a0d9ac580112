"""What a person says of an answer that was given: the right label, for one question."""

from dataclasses import dataclass
from typing import Literal

from tidegate.domain.label import LabelRow

Source = Literal["user", "human"]
"""`user`: who used the answer. `human`: who was asked to check it."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer that is still known."""

    row: LabelRow
    """Its label is what was answered."""
    is_local: bool
    """This node gave it."""
    is_stated: bool
    """There is feedback on it already."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """The right label of one answer, as somebody says."""

    row: LabelRow
    """The answer, with the right label in place of the given one."""
    source: Source
    time: float
    """Seconds since the epoch, UTC."""
    is_local: bool
    is_error: bool
    """The label is not what was answered."""


@dataclass(frozen=True, slots=True)
class FeedbackCounts:
    """How much feedback one owner has."""

    stated: int = 0
    errors: int = 0
    """Local answers of which somebody said another label."""
