"""When a task that learns is fitted again, and when it is first tested. Pure.

Counts of labels decide, never the clock: the same labels always lead to the same fits, however fast
they came.

A first grant costs: from then on only the audit share of requests is labelled whatever the head
thinks, and every later test on the same rows has a small part of delta. So the first test waits
until a head has nearly as many rows a class as it profits from.
"""

import math
from dataclasses import dataclass

from tidegate.domain.label import LabelCounts

FIRST_FIT = 60
FIRST_TEST = 30
"""Rows without which nothing could be shown: below, a fit would only cost time."""
GROWTH = 1.4
"""Fit again when rows have grown by this: 15 fits from 100 rows to 15,000."""
LEAST_GROWTH = 0.1
"""Fit again no sooner than this, even when the last verdict lacked less."""
MOST_GROWTH = 2.5
"""Fit again at this, however much the last verdict lacked."""
FEWEST_CLASSES = 2
FIRST_OF_CLASS = 3
"""Fitting rows a class, on average: with fewer a head of many classes is good for nothing."""
RIPE = 28
"""Labels a class, on average, from which on a first test is worth its price (CLINC150: granted
coverage 0.68 at 19 a class, see docs/learning.md)."""
ALREADY = 0.9
"""Coverage that calibration rows promise, from which on there is no need to wait."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one owner is."""

    counts: LabelCounts
    fit_at_last: int = 0
    """Fitting rows at the last fit; 0: there was none."""
    measuring_at_last: int = 0
    """Calibrating and testing rows then."""
    lacking: int | None = None
    """Further labels that the last verdict asked for; None: it asked for none."""
    is_stale: bool = False
    """Rows of the last fit were purged."""


def is_due(progress: Progress) -> bool:
    """Tell whether to fit now."""
    counts = progress.counts
    first = max(FIRST_FIT, FIRST_OF_CLASS * counts.classes)
    if counts.classes < FEWEST_CLASSES or counts.fit < first or counts.measuring < FIRST_TEST:
        return False
    if progress.fit_at_last == 0 or progress.is_stale:
        return True
    before = progress.fit_at_last + progress.measuring_at_last
    if progress.lacking is not None:
        # A verdict is an estimate: it may ask again, but not for every single row.
        wanted = before + max(progress.lacking, math.ceil(before * LEAST_GROWTH))
        # More rows also make a better head, which may need fewer than the last one said.
        return counts.useful >= min(wanted, before * MOST_GROWTH)
    ripe = ripe_at(counts)
    if counts.useful >= ripe > before:
        return True
    return (
        counts.fit >= progress.fit_at_last * GROWTH
        or counts.measuring >= progress.measuring_at_last * GROWTH
    )


def ripe_at(counts: LabelCounts) -> int:
    """Give the number of labels that a first test waits for."""
    return RIPE * counts.classes


def is_ripe(counts: LabelCounts, promised: float) -> bool:
    """Tell whether a first test is worth its price; `promised` is coverage on calibration rows."""
    return promised >= ALREADY or counts.useful >= ripe_at(counts)
