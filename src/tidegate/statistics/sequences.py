"""Tests that look again and again: fixed sequences, and bets on a stream of outcomes. numpy only.

A bettor starts with 1 and stakes before each outcome x in {0, 1} that x will exceed a rate. If the
rate is not exceeded, the wealth is a nonnegative supermartingale, so it ever reaches 1 / delta with
probability at most delta (Ville): a test that holds at every moment (Waudby-Smith and Ramdas,
arXiv 2010.09686). Summing the wealths of bettors that start at each moment (Shiryaev-Roberts) and
stopping at A gives an average run length of at least A without a change (Shin, Ramdas, Rinaldo,
arXiv 2203.03532).

Arrays may have leading axes: one row a stream.
"""

import numpy as np
from numpy.typing import ArrayLike

from tidegate.statistics.calibration import Float64

MULTIPLES = (1.5, 2.0, 3.0, 5.0, 10.0)
"""Of the rate: the alternatives that bettors are best against."""
HIGHEST = 0.9
"""No alternative lies above this part of the way from the rate to 1."""
MOST = 1e300
CASH = 0.5
"""Of the wealth that is dealt out: kept, so that a long good time loses little."""


def leading(p_values: Float64, level: float) -> int:
    """Count the p-values at most `level` before the first that is above (fixed sequence)."""
    failed = np.flatnonzero(p_values > level)
    return int(failed[0]) if len(failed) else len(p_values)


def alternatives(rate: float) -> Float64:
    """Give the rates that bettors on "more than `rate`" are best against, ascending."""
    highest = rate + HIGHEST * (1.0 - rate)
    found: Float64 = np.minimum(rate * np.array(MULTIPLES), highest)
    return found


def payoffs(rate: float) -> Float64:
    """Give what each bettor's stake becomes: row 0 for x = 0, row 1 for x = 1.

    The likelihood ratio of its alternative q to the rate p: (1 - q) / (1 - p) and q / p.
    """
    others = alternatives(rate)
    return np.stack(((1.0 - others) / (1.0 - rate), others / rate))


def dealt(rate: float) -> Float64:
    """Deal a wealth of 1 out: half in cash (last), the rest evenly over the bettors."""
    count = len(alternatives(rate))
    return np.append(np.full(count, (1.0 - CASH) / count), CASH)


def bet(wealth: Float64, outcome: ArrayLike, seen: int, rate: float) -> Float64:
    """Settle one outcome, then deal a part 1 / (seen + 2) of the whole out anew.

    Dealing anew (fixed share, Herbster and Warmuth 1998, with a rate that falls) keeps bettors
    solvent through a long good time, so that a later change is still seen; it is a stake like any
    other, chosen before the outcome, and leaves the test valid. `seen` counts earlier outcomes.
    """
    won = payoffs(rate)[np.asarray(outcome, np.int64)]
    settled = np.concatenate((wealth[..., :-1] * won, wealth[..., -1:]), axis=-1)
    part = 1.0 / (seen + 2.0)
    total = settled.sum(axis=-1, keepdims=True)
    following: Float64 = (1.0 - part) * settled + part * total * dealt(rate)
    return following


def restarted(sums: Float64, outcome: ArrayLike, table: Float64) -> Float64:
    """Settle one outcome for bettors that start at each moment: S <- (1 + S) payoff.

    `table` is what `payoffs` gives; sums are cut where floats end.
    """
    won = table[np.asarray(outcome, np.int64)]
    following: Float64 = np.minimum((1.0 + sums) * won, MOST)
    return following
