"""How soon a change is seen, and how often one that is none."""

import numpy as np

from tidegate.learning.drift import (
    RUN_LENGTH,
    SUSPENSION_LEVEL,
    Reference,
    reference,
    settled,
    watch_loss,
    watch_shift,
)
from tidegate.statistics.calibration import Float64
from tidegate.statistics.sequences import bet

STREAMS = 200
QUIET = 2_000
"""Decisions before traffic changes."""
LONGEST = 5_000
AUDITED_BEFORE = 500
RATE_BEFORE = 0.01
RATE_AFTER = 0.06
"""Three times alpha."""


def run_length(scores: Float64, decisions: int, seed: int) -> tuple[float, int]:
    """Decisions a false alarm, those of all streams counted; where none was seen, all of them."""
    known = _known(scores, seed)
    generator = np.random.default_rng(seed)
    streams = 20
    sums = np.zeros((streams, *watch_shift(known).sums.shape))
    alarms = 0
    for _ in range(decisions // streams):
        sums = settled(sums, known, generator.choice(scores, streams))
        is_alarmed = sums.mean(axis=(1, 2)) >= RUN_LENGTH
        alarms += int(is_alarmed.sum())
        sums[is_alarmed] = 0.0
    return decisions / max(alarms, 1), alarms


def covariate_delays(scores: Float64, strange: Float64, share: float, seed: int) -> Float64:
    """Decisions from the change to the alarm, in each of many streams."""
    known = _known(scores, seed)
    generator = np.random.default_rng(seed + 1)
    sums = np.zeros((STREAMS, *watch_shift(known).sums.shape))
    for _ in range(QUIET):
        sums = settled(sums, known, generator.choice(scores, STREAMS))
    delays = np.full(STREAMS, np.inf)
    for count in range(1, LONGEST + 1):
        is_strange = generator.random(STREAMS) < share
        drawn = np.where(
            is_strange, generator.choice(strange, STREAMS), generator.choice(scores, STREAMS)
        )
        sums = settled(sums, known, drawn)
        is_new = np.isinf(delays) & (sums.mean(axis=(1, 2)) >= RUN_LENGTH)
        delays[is_new] = count
        if np.isfinite(delays).all():
            break
    return delays


def concept_delays(alpha: float, seed: int) -> Float64:
    """Audited answers from the change of the labels to the suspension."""
    generator = np.random.default_rng(seed)
    wealth = np.tile(watch_loss(alpha).wealth, (STREAMS, 1))
    for seen in range(AUDITED_BEFORE):
        wealth = bet(wealth, generator.random(STREAMS) < RATE_BEFORE, seen, alpha)
    delays = np.full(STREAMS, np.inf)
    for count in range(1, LONGEST + 1):
        is_wrong = generator.random(STREAMS) < RATE_AFTER
        wealth = bet(wealth, is_wrong, AUDITED_BEFORE + count - 1, alpha)
        is_new = np.isinf(delays) & (wealth.sum(axis=1) >= 1.0 / SUSPENSION_LEVEL)
        delays[is_new] = count
        if np.isfinite(delays).all():
            break
    return delays


def _known(scores: Float64, seed: int) -> Reference:
    """Make the reference of as many rows as there are, drawn anew: an audit sample of its own."""
    drawn = np.random.default_rng(seed + 9).choice(scores, len(scores))
    known = reference(drawn)
    if known is None:
        raise ValueError("too few rows for a reference")
    return known
