"""Audit rows as arrays, scored by one bundle: what a guarantee is tested on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.domain.question import ChoiceValue
from tidegate.statistics.calibration import Bools, Float64, Integers


@dataclass(frozen=True, slots=True, eq=False)
class AuditRows:
    """Rows of one role (calibrate or test) with what the bundle would have answered."""

    scores: Float64
    """Accept score of each row."""
    is_wrong: Bools
    """By the task's loss, were the row answered here."""
    groups: Integers
    """Near-duplicates and one end user's rows have the same number."""
    critical: Mapping[ChoiceValue, Bools]
    """For each critical label, which rows truly are it."""
    strata: Mapping[str, Bools]
    """For each stratum that occurs, which rows belong to it."""

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.scores)
