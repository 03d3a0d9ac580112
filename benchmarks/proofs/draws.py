"""How often a promise is broken: draws from a known population, and splits of real rows."""

import math
from dataclasses import dataclass

import numpy as np

from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.feasibility import Traffic
from tidegate.learning.grid import Terms, prepare
from tidegate.learning.guarantee import verdict
from tidegate.statistics import binomial
from tidegate.statistics.calibration import Bools, Float64, Integers

CALIBRATING = 1_000
TESTING = 3_000
DELTA = 0.05
TRAFFIC = Traffic()


@dataclass(frozen=True, slots=True)
class Broken:
    """Shares of draws."""

    violations: float
    noise: float
    """What test noise alone would have made of the same thresholds."""
    granted: float
    coverage: float
    """Mean over grants."""


def from_population(scores: Float64, wrong: Float64, alpha: float, draws: int, seed: int) -> Broken:
    """Draw rows with replacement, their labels from `wrong`, and compare with the true risk."""
    generator = np.random.default_rng(seed)
    order = np.argsort(-scores, kind="stable")
    ranked, risks = scores[order], np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    broken, coverages = 0, []
    for _ in range(draws):
        calibrating = _drawn(scores, wrong, CALIBRATING, generator)
        cut = threshold(calibrating, _drawn(scores, wrong, TESTING, generator), alpha)
        if cut is None:
            continue
        count = int(np.searchsorted(-ranked, -cut, "right"))
        coverages.append(count / len(ranked))
        broken += int(risks[count - 1] > alpha)
    return Broken(broken / draws, 0.0, len(coverages) / draws, float(np.mean(coverages or [0.0])))


def from_splits(scores: Float64, is_wrong: Bools, alpha: float, splits: int, seed: int) -> Broken:
    """Part real rows at random; the error on the rest is above alpha by chance as well."""
    generator = np.random.default_rng(seed)
    broken, noise, coverages = 0, 0.0, []
    for _ in range(splits):
        order = generator.permutation(len(scores))
        first, second, rest = np.split(order, [CALIBRATING, CALIBRATING + TESTING])
        cut = threshold(_rows(scores, is_wrong, first), _rows(scores, is_wrong, second), alpha)
        if cut is None:
            continue
        is_local = scores[rest] >= cut
        count, errors = int(is_local.sum()), int((is_local & is_wrong[rest]).sum())
        coverages.append(count / len(rest))
        broken += errors > alpha * count
        everywhere = scores >= cut
        risk = min(float(is_wrong[everywhere].mean()), alpha)
        noise += 1.0 - float(binomial.tail(math.floor(alpha * count), count, risk))
    mean = float(np.mean(coverages or [0.0]))
    return Broken(broken / splits, noise / splits, len(coverages) / splits, mean)


def threshold(calibrating: AuditRows, testing: AuditRows, alpha: float) -> float | None:
    """Grant a threshold as an attempt that may spend all of delta."""
    terms = Terms((alpha,), DELTA)
    plan = prepare(calibrating, terms, share=1.0, test_rows=len(testing), traffic=TRAFFIC)
    return verdict(plan, testing, terms).levels[0].threshold


def standard_error(rate: float, draws: int) -> float:
    """Monte Carlo standard error of a share."""
    return math.sqrt(max(rate * (1 - rate), 1 / draws) / draws)


def _drawn(
    scores: Float64, wrong: Float64, count: int, generator: np.random.Generator
) -> AuditRows:
    drawn: Integers = generator.integers(0, len(scores), count)
    is_wrong = generator.random(count) < wrong[drawn]
    return AuditRows(scores[drawn], is_wrong, np.arange(count), {}, {})


def _rows(scores: Float64, is_wrong: Bools, chosen: Integers) -> AuditRows:
    return AuditRows(scores[chosen], is_wrong[chosen], np.arange(len(chosen)), {}, {})
