"""Whether a granted guarantee may stand: on audit labels, on unlabelled traffic, by age. Pure.

Everything is a step function over values: the same stream always gives the same decisions.

- `LossWatch` bets on "the loss is above alpha" with each audited local answer. Under a guarantee
  that holds, it ever suspends with probability at most `SUSPENSION_LEVEL`.
- `ShiftWatch` needs no labels. It counts how often accept scores fall below quantiles of the rows
  that the guarantee was tested on, and alarms when they do more often than those rows can explain.
  Without a shift the average run length is at least `RUN_LENGTH` decisions. It may suspend, never
  grant; a shift that leaves the scores as they were is for the other watch.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from tidegate.domain.guarantee import Guarantee, LabelSource, Tails
from tidegate.statistics import binomial
from tidegate.statistics.calibration import Bools, Float64
from tidegate.statistics.sequences import bet, dealt, payoffs, restarted

SUSPENSION_LEVEL = 0.05
"""Probability that a guarantee that holds is ever suspended for its audit labels."""
RUN_LENGTH = 1_000_000.0
"""Decisions, on average and at least, before a false alarm of a shift."""
TAILS = (0.05, 0.1, 0.25)
"""Quantiles of the accept score whose lower side is watched."""
REFERENCE_LEVEL = 0.001
"""Probability that a tail is truly heavier than the bound that the reference rows give."""
FEWEST_REFERENCE_ROWS = 60
HEAVIEST_TAIL = 0.5
"""A tail that may hold more than this is not watched."""
RISE = 2.0
"""Times the audit share for each alarm."""
MOST_AUDIT_SHARE = 0.2
"""No alarm raises it further."""
MOST_ALARMS = 4
"""Remembered; further ones change nothing."""
QUIET_ROWS = 500
"""Audited local answers without an alarm, after which one rise is taken back: so many show, at a
loss of 1 %, less than 2 %."""
WARNING = 0.25 / SUSPENSION_LEVEL
"""Evidence from which on the share rises once, before anything is suspended."""


@dataclass(frozen=True, slots=True, eq=False)
class LossWatch:
    """Bets on the audited local answers of one guarantee since it was granted."""

    alpha: float
    wealth: Float64
    seen: int = 0

    @property
    def evidence(self) -> float:
        """What the bettors have made of 1; never averages above 1 while the loss is at most alpha.

        At 1 / `SUSPENSION_LEVEL` the guarantee is suspended.
        """
        return float(self.wealth.sum())

    @property
    def is_alarmed(self) -> bool:
        """Whether the labels speak against the guarantee."""
        return self.evidence >= 1.0 / SUSPENSION_LEVEL


def watch_loss(alpha: float) -> LossWatch:
    """Begin with a new guarantee."""
    return LossWatch(alpha, dealt(alpha))


def observe_loss(watch: LossWatch, is_wrong: bool) -> LossWatch:  # noqa: FBT001 - the observation
    """Take one audited local answer; answers that went up say nothing about the guarantee."""
    wealth = bet(watch.wealth, is_wrong, watch.seen, watch.alpha)
    return replace(watch, wealth=wealth, seen=watch.seen + 1)


def delay_labels(watch: LossWatch, rate: float) -> int | None:
    """Expect how many audited answers a loss of `rate` would take to be suspended from here on.

    The bettor that needs the fewest counts: what it lacks in ln, over what it wins a label. None
    when no bettor wins at this rate.
    """
    lost, won = np.log(payoffs(watch.alpha))
    growth = rate * won + (1.0 - rate) * lost
    missing = math.log(1.0 / SUSPENSION_LEVEL) - np.log(np.maximum(watch.wealth[:-1], 1e-300))
    if not (growth > 0).any():
        return None
    return max(math.ceil(float((missing[growth > 0] / growth[growth > 0]).min())), 1)


def delay_s(
    watch: LossWatch, rate: float, *, requests_per_s: float, audit_share: float, coverage: float
) -> float | None:
    """Expect the seconds until then at today's traffic."""
    labels = delay_labels(watch, rate)
    audited_per_s = requests_per_s * audit_share * coverage
    return labels / audited_per_s if labels is not None and audited_per_s > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What accept scores looked like where the guarantee was tested."""

    cuts: Float64
    tables: Float64
    """For each tail, what bettors win; see `statistics.sequences.payoffs`."""


@dataclass(frozen=True, slots=True, eq=False)
class ShiftWatch:
    """Sums of bettors that start with each decision, a row a tail."""

    sums: Float64

    @property
    def evidence(self) -> float:
        """Mean over bettors and tails; grows by at most 1 a decision on average without a shift."""
        return float(self.sums.mean(axis=(-2, -1)))

    @property
    def is_alarmed(self) -> bool:
        """Whether traffic is no longer what the guarantee was tested on."""
        return self.evidence >= RUN_LENGTH


def tails(scores: Float64, distinct: Float64 | None = None) -> Tails | None:
    """Describe audit rows, all of them, accepted or not; None where they are too few.

    Tails are bounded from above (Clopper-Pearson), so that the error of a finite sample does not
    look like a shift. `distinct` has one score for each different text: heads see a text once where
    a cache repeats answers and each time where none does, so the heavier tail of both counts.
    """
    samples = (scores, scores if distinct is None else distinct)
    if min(len(sample) for sample in samples) < FEWEST_REFERENCE_ROWS:
        return None
    cuts = np.quantile(scores, TAILS, method="higher")
    bounds = np.max([_below(sample, cuts) for sample in samples], axis=0)
    is_light = bounds <= HEAVIEST_TAIL
    if not is_light.any():
        return None
    return Tails(tuple(cuts[is_light].tolist()), tuple(bounds[is_light].tolist()))


def _below(scores: Float64, cuts: Float64) -> Float64:
    """Bound the share of scores below each cut from above."""
    counts = (scores[:, None] < cuts[None, :]).sum(axis=0)
    return binomial.upper_bound(counts, len(scores), REFERENCE_LEVEL)


def held_against(known: Tails) -> Reference:
    """Make what a watch counts with of what a guarantee keeps."""
    return Reference(np.array(known.cuts), np.stack([payoffs(bound) for bound in known.bounds]))


def reference(scores: Float64) -> Reference | None:
    """Make the reference of audit rows at once; see `tails`."""
    found = tails(scores)
    return None if found is None else held_against(found)


def watch_shift(known: Reference) -> ShiftWatch:
    """Begin with a new guarantee."""
    return ShiftWatch(np.zeros((len(known.cuts), known.tables.shape[2])))


def observe_shift(watch: ShiftWatch, known: Reference, score: float) -> ShiftWatch:
    """Take the accept score of one decision, whether it was answered here or not."""
    return ShiftWatch(settled(watch.sums, known, np.asarray(score)))


def settled(sums: Float64, known: Reference, scores: Float64) -> Float64:
    """Settle one score, or one in each of several streams."""
    is_low: Bools = scores[..., None] < known.cuts
    rows = [
        restarted(sums[..., tail, :], is_low[..., tail], known.tables[tail])
        for tail in range(len(known.cuts))
    ]
    return np.stack(rows, axis=-2)


def changed_source(labels: LabelSource, upstream: str, model: str) -> str | None:
    """Tell what an answer shows to have changed about the source of labels; None where nothing.

    A guarantee does not outlive that. What another upstream of the route answered, for instance
    while this one was away, shows nothing of this one.
    """
    if labels.kind != "agreement" or upstream != labels.upstream or model == labels.model:
        return None
    return f"the model of `{upstream}` changed from `{labels.model}` to `{model}`"


def lost_source(labels: LabelSource, asked: Collection[str]) -> str | None:
    """Tell that the upstream which gave the labels is none of those that are asked any more."""
    if labels.kind != "agreement" or labels.upstream in asked:
        return None
    return f"no route that learns leads to `{labels.upstream}` any more"


def is_due(guarantee: Guarantee, now: float, answers: int) -> bool:
    """Tell whether it is old enough, in time or answers, to be renewed or to expire."""
    return now >= guarantee.expires_at or answers >= guarantee.expires_after_answers


def audit_share(base: float, alarms: int) -> float:
    """Give the share of requests to audit: doubled by each alarm that still counts."""
    return min(max(base, MOST_AUDIT_SHARE), base * RISE**alarms)


def alarmed(guarantee: Guarantee) -> int:
    """Count the alarms once a guarantee has been suspended."""
    return min(guarantee.alarms + 1, MOST_ALARMS)


def attention(guarantee: Guarantee, evidence: float, quiet: int) -> Guarantee:
    """Count the alarms of one that stands anew.

    `evidence` is that of its `LossWatch`, `quiet` the audited local answers since the share was
    last changed. More audits after a warning come before their labels, so the watch stays valid.
    """
    if evidence >= WARNING and not guarantee.is_warned:
        return replace(guarantee, alarms=alarmed(guarantee), is_warned=True)
    if guarantee.alarms and quiet >= QUIET_ROWS and evidence < WARNING:
        return replace(guarantee, alarms=guarantee.alarms - 1, is_warned=False)
    return guarantee
