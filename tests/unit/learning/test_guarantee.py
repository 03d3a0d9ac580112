"""Learn-then-Test: how often a promise is broken, and what is said when none is made."""

import math
from dataclasses import replace

import numpy as np

from tidegate.domain.guarantee import NoiseFloor
from tidegate.learning.audit_rows import AuditRows, staged
from tidegate.learning.cascade import choose_first
from tidegate.learning.feasibility import Traffic
from tidegate.learning.grid import Plan, Terms, prepare
from tidegate.learning.guarantee import Verdict, verdict

TRAFFIC = Traffic(requests_per_s=2.0, test_share=0.01)


def _rows(count: int, seed: int, *, noise: float = 0.0) -> AuditRows:
    """Draw rows whose accept score is the probability of being right, but for `noise`."""
    generator = np.random.default_rng(seed)
    scores = generator.beta(4, 0.2, count)
    right = scores * (1 - noise)
    return AuditRows(
        scores=scores,
        is_wrong=generator.random(count) > right,
        groups=np.arange(count),
        critical={},
        strata={"language=en": np.ones(count, dtype=bool)},
    )


def _run(calibration: AuditRows, rows: AuditRows, terms: Terms) -> tuple[Plan, Verdict]:
    plan = prepare(calibration, terms, share=1.0, test_rows=len(rows), traffic=TRAFFIC)
    return plan, verdict(plan, rows, terms)


def test_promises_are_broken_at_most_as_often_as_allowed() -> None:
    terms = Terms((0.02,), 0.1)
    population = np.sort(np.random.default_rng(0).beta(4, 0.2, 100_000))[::-1]
    risks = np.cumsum(1 - population) / np.arange(1, len(population) + 1)
    least = float(population[risks <= 0.02][-1])
    broken = []
    for seed in range(150):
        _, found = _run(_rows(400, 2 * seed), _rows(1_500, 2 * seed + 1), terms)
        threshold = found.levels[0].threshold
        broken.append(threshold is not None and threshold < least)
    assert np.mean(broken) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 150)


def _pair(count: int, seed: int) -> tuple[AuditRows, AuditRows]:
    """Draw rows as two classifiers see them; the first is half blind and overconfident."""
    generator = np.random.default_rng(seed)
    scores = generator.beta(4, 0.2, count)
    fate = generator.random(count)
    own = np.clip(scores - generator.exponential(0.002, count), 0, 1)
    then = replace(_rows(count, seed), scores=scores, is_wrong=fate > scores)
    first = replace(
        then,
        scores=np.where(generator.random(count) < 0.5, own, -math.inf),
        is_wrong=fate > own - 0.002,
    )
    return first, then


def test_a_pair_of_classifiers_breaks_its_promise_at_most_as_often_as_allowed() -> None:
    terms, alpha = Terms((0.04,), 0.1), 0.04
    population = _pair(200_000, 999)
    broken, settled = [], 0
    for seed in range(150):
        calibrate, test = _pair(1_000, 2 * seed), _pair(1_500, 2 * seed + 1)
        least = choose_first(*calibrate, alpha)
        _, found = _run(staged(*calibrate, least), staged(*test, least), terms)
        threshold = found.levels[0].threshold
        settled += least is not None
        if threshold is None:
            broken.append(False)
            continue
        served = staged(*population, least)
        broken.append(bool(served.is_wrong[served.scores >= threshold].mean() > alpha))
    assert np.mean(broken) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 150)
    assert settled > 50


def test_grant_says_what_it_rests_on() -> None:
    plan, found = _run(_rows(1_000, 1), _rows(3_000, 2), Terms((0.01, 0.05), 0.05))
    strict, own = found.levels
    assert found.is_granted
    assert (own.alpha, own.infeasible) == (0.05, None)
    assert own.threshold is not None
    assert strict.threshold is not None
    assert own.threshold < strict.threshold
    assert own.errors / own.accepted < own.upper <= 0.05
    assert own.coverage == own.accepted / 3_000
    assert strict.accepted >= plan.grids[0].aim.least_accepted
    assert plan.outcomes == math.prod(len(grid.thresholds) + 1 for grid in plan.grids)


def test_first_threshold_accepts_twice_the_rows_that_need_no_error() -> None:
    plan, _ = _run(_rows(1_000, 1), _rows(3_000, 2), Terms((0.05,), 0.05))
    least = 2 * math.log(0.05) / math.log(0.95)
    assert plan.grids[0].aim.least_accepted == math.ceil(least)
    assert (_rows(3_000, 2).scores >= plan.grids[0].thresholds[0]).sum() >= least


def test_too_few_rows_are_told_with_requests_and_time() -> None:
    plan, found = _run(_rows(300, 1), _rows(100, 2), Terms((0.02,), 0.05))
    lacking = found.levels[0].infeasible
    assert not plan.is_worth_an_attempt
    assert lacking is not None
    assert lacking.further_accepted is not None
    assert lacking.further_requests is not None
    assert lacking.further_accepted > 0
    assert lacking.further_requests == math.ceil(
        lacking.further_accepted / (lacking.coverage * 0.01)
    )
    assert lacking.wait_s == lacking.further_requests / 2.0


def test_noise_floor_is_named_when_it_is_above_what_is_asked() -> None:
    terms = Terms((0.02,), 0.05, noise=NoiseFloor(pairs=400, disagreements=26))
    _, found = _run(_rows(1_000, 1, noise=0.03), _rows(3_000, 2, noise=0.03), terms)
    lacking = found.levels[0].infeasible
    assert lacking is not None
    assert lacking.further_accepted is None
    assert "noise floor" in lacking.reason
    assert "3.2%" in lacking.reason


def test_stratum_with_few_calibration_rows_is_not_answered() -> None:
    calibration, rows = _rows(1_000, 1), _rows(3_000, 2)
    few = np.arange(1_000) < 20
    many = np.arange(3_000) < 1_000
    calibration = replace(calibration, strata={"language=en": ~few, "language=fr": few})
    rows = replace(rows, strata={"language=en": ~many, "language=fr": many})
    plan, found = _run(calibration, rows, Terms((0.05,), 0.05))
    english, french = found.strata
    assert plan.allowed == {"language=en"}
    assert (french.is_allowed, french.rows, french.accepted) == (False, 1_000, 0)
    assert english.accepted == found.levels[0].accepted


def test_critical_class_needs_rows_of_its_own() -> None:
    calibration, rows = _rows(1_000, 1), _rows(3_000, 2)
    terms = Terms((0.05,), 0.05)

    def with_fraud(one: AuditRows, every: int) -> AuditRows:
        return replace(one, critical={"fraud": np.arange(len(one)) % every == 0})

    _, few = _run(with_fraud(calibration, 100), with_fraud(rows, 100), terms)
    _, many = _run(with_fraud(calibration, 4), with_fraud(rows, 4), terms)
    assert few.levels[0].infeasible is not None
    assert "critical" in few.levels[0].infeasible.reason
    assert many.levels[0].threshold is not None
    assert many.critical[0].rows == 750
    assert many.critical[0].upper <= 0.05


def test_repeats_of_one_text_do_not_count_as_evidence() -> None:
    rows = replace(_rows(3_000, 2), groups=np.arange(3_000) // 50)
    _, alone = _run(_rows(1_000, 1), _rows(3_000, 2), Terms((0.05,), 0.05))
    _, repeated = _run(_rows(1_000, 1), rows, Terms((0.05,), 0.05))
    assert alone.is_granted
    assert not repeated.is_granted


def test_distinct_decisions_count_each_text_once() -> None:
    rows = replace(_rows(3_000, 2), groups=np.arange(3_000) // 3)
    _, found = _run(_rows(1_000, 1), rows, Terms((0.05,), 0.05, unit="distinct decision"))
    assert found.rows == 1_000


def test_rows_without_an_error_are_called_too_few_never_hopeless() -> None:
    rows = replace(_rows(200, 1), is_wrong=np.zeros(200, dtype=bool))
    _, found = _run(rows, rows, Terms((0.001,), 0.05))
    lacking = found.levels[0].infeasible
    assert lacking is not None
    assert lacking.further_accepted is not None
