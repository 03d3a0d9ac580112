"""Golden scores: whether this processor's vectors still give what they gave at the fitting.

The texts are fixed and belong to nobody: a bundle holds no training rows.
"""

import math
from collections.abc import Sequence

from tidegate.domain.bundle import Bundle, Golden
from tidegate.errors import BundleError

TEXTS = (
    "Where is the parcel that I ordered last week?",
    "Please cancel my subscription and send the money back.",
    "How do I change the password of my account?",
    "What is the weather like in Lisbon tomorrow?",
)
MOST_DEVIATION = 0.05
"""Largest change of a probability that is taken for another processor's rounding: quantised
encoders shift similarities by up to 0.06, beyond that something else is wrong."""


def check_golden(bundle: Bundle, here: Sequence[Golden]) -> float:
    """Compare with what the heads say here to the same texts; give the largest deviation.

    Raises BundleError for too large a one, and where there is nothing to compare.

    Static scores count where there are some on both sides: a node whose table is another one does
    not answer by them.
    """
    if not bundle.golden:
        raise BundleError(
            f"Bundle `{bundle.name}` {bundle.version} has no golden scores, so nothing shows that"
            " it scores here as where it was fitted; train it again: tidegate train FILE.jsonl"
            " --task NAME"
        )
    deviation = 0.0
    for there, now in zip(bundle.golden, here, strict=True):
        pairs = [*zip(there.probabilities, now.probabilities, strict=True)]
        if there.static is not None and now.static is not None:
            pairs += zip(there.static, now.static, strict=True)
        for one, other in pairs:
            # What is no number has no deviation that could be borne.
            off = abs(one - other)
            deviation = max(deviation, math.inf if math.isnan(off) else off)
    if deviation > MOST_DEVIATION:
        raise BundleError(
            f"Bundle `{bundle.name}` {bundle.version} scores its golden texts differently on this"
            f" processor: by {deviation:.3f}, at most {MOST_DEVIATION:g} is allowed;"
            " train it again here: tidegate train FILE.jsonl --task NAME"
        )
    return deviation
