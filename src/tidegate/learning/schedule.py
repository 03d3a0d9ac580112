"""When a task that learns is fitted again. Pure: counts of labels decide, never the clock.

So the same labels always lead to the same fits, however fast they came.
"""

from dataclasses import dataclass

from tidegate.domain.label import LabelCounts

FIRST_FIT = 60
FIRST_TEST = 30
"""Rows without which nothing could be shown: below, a fit would only cost time."""
GROWTH = 1.4
"""Fit again when rows have grown by this: 15 fits from 100 rows to 15,000."""
FEWEST_CLASSES = 2
FIRST_OF_CLASS = 3
"""Fitting rows a class, on average: with fewer a head of many classes is good for nothing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one owner is."""

    counts: LabelCounts
    fit_at_last: int = 0
    """Fitting rows at the last fit; 0: there was none."""
    test_at_last: int = 0
    """Calibrating and testing rows then."""
    is_stale: bool = False
    """Rows of the last fit were purged."""


def is_due(progress: Progress) -> bool:
    """Tell whether to fit now."""
    counts = progress.counts
    measuring = counts.calibrate + counts.test
    first = max(FIRST_FIT, FIRST_OF_CLASS * counts.classes)
    if counts.classes < FEWEST_CLASSES or counts.fit < first or measuring < FIRST_TEST:
        return False
    if progress.fit_at_last == 0 or progress.is_stale:
        return True
    return (
        counts.fit >= progress.fit_at_last * GROWTH or measuring >= progress.test_at_last * GROWTH
    )
