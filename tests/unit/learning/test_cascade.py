"""The threshold between static embeddings and encoder, against cases with known answers."""

import numpy as np
import pytest

from tidegate.learning.audit_rows import AuditRows, part
from tidegate.learning.cascade import (
    MOST_LOSS,
    Rows,
    choose_first,
    choose_threshold,
    measure_pair,
)
from tidegate.statistics.calibration import Bools, Float64


def simulated(count: int = 4000, *, seed: int = 1, encoder: float = 0.95) -> Rows:
    """Static confidences that mean what they say, beside an encoder of one accuracy."""
    draw = np.random.default_rng(seed)
    confidences = draw.beta(6, 1, count)
    return Rows(confidences, draw.random(count) < confidences, draw.random(count) < encoder)


def loss(rows: Rows, threshold: float) -> float:
    stops = rows.confidences >= threshold
    pair = np.where(stops, rows.static_right, rows.encoder_right)
    return float(rows.encoder_right.mean() - pair.mean())


def test_the_pair_stays_within_the_limit_in_nineteen_of_twenty_cases() -> None:
    fresh = simulated(200_000, seed=1000)
    thresholds = [choose_threshold(simulated(seed=seed)) for seed in range(100)]

    exceeded = sum(loss(fresh, one) > MOST_LOSS for one in thresholds if one is not None)

    # Five of a hundred are expected at most; 11 are exceeded by chance once in a hundred times.
    assert exceeded <= 11
    assert None not in thresholds


def test_rows_on_which_both_agree_may_all_stop() -> None:
    agreed = np.random.default_rng(1).random(2000) < 0.9
    confidences = np.linspace(0.3, 1, 2000)

    assert choose_threshold(Rows(confidences, agreed, agreed)) == 0.3


def test_rows_without_a_static_vector_never_stop() -> None:
    agreed = np.ones(2000, dtype=np.bool_)
    confidences = np.where(np.arange(2000) < 500, -1.0, 0.8)

    assert choose_threshold(Rows(confidences, agreed, agreed)) == 0.8
    assert choose_threshold(Rows(np.full(2000, -1.0), agreed, agreed)) is None


def test_a_few_rows_are_no_proof() -> None:
    agreed = np.ones(100, dtype=np.bool_)

    assert choose_threshold(Rows(np.full(100, 0.99), agreed, agreed)) is None


def test_a_bad_static_head_answers_nothing() -> None:
    right = np.ones(3000, dtype=np.bool_)

    assert choose_threshold(Rows(np.full(3000, 0.9), ~right, right)) is None


def test_rows_of_equal_confidence_stop_together_or_not_at_all() -> None:
    right = np.ones(3000, dtype=np.bool_)
    static = right.copy()
    static[1000:1200] = False
    confidences = np.where(np.arange(3000) < 1000, 0.9, 0.5)

    assert choose_threshold(Rows(confidences, static, right)) == 0.9


def test_more_allowed_loss_never_stops_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = simulated()
    strict = choose_threshold(rows)
    monkeypatch.setattr("tidegate.learning.cascade.MOST_LOSS", 0.02)

    wide = choose_threshold(rows)

    assert strict is not None
    assert wide is not None
    assert wide <= strict


def test_the_pair_is_measured_on_rows_that_chose_nothing() -> None:
    rows = simulated()
    assigned = np.arange(4000, dtype=np.int64) % 5

    pair = measure_pair(rows, assigned)

    assert pair.threshold == choose_threshold(rows)
    assert pair.static_accuracy == pytest.approx(float(rows.static_right.mean()))
    assert pair.encoder_accuracy == pytest.approx(float(rows.encoder_right.mean()))
    assert 0.3 < pair.share < 0.9
    assert pair.encoder_accuracy - pair.accuracy <= MOST_LOSS
    assert pair.pays


def test_a_pair_that_answers_nothing_is_the_encoder() -> None:
    right = np.ones(300, dtype=np.bool_)
    rows = Rows(np.full(300, 0.9), ~right, right)

    pair = measure_pair(rows, np.arange(300, dtype=np.int64) % 5)

    assert (pair.threshold, pair.share, pair.accuracy) == (None, 0.0, 1.0)
    assert not pair.pays


def audited(scores: Float64, is_wrong: Bools) -> AuditRows:
    return AuditRows(scores, is_wrong, np.arange(len(scores)), {}, {})


def calibrating(*, static_is_as_good: bool) -> tuple[AuditRows, AuditRows]:
    """Rows of which the encoder is wrong in one of fifty, the least sure ones."""
    draw = np.random.default_rng(4)
    sure = draw.random(1_000)
    encoder = audited(sure, sure < 0.02)
    return audited(sure, sure < (0.02 if static_is_as_good else 0.3)), encoder


def test_a_static_head_that_is_as_good_settles_all_that_it_sees() -> None:
    static, encoder = calibrating(static_is_as_good=True)

    assert choose_first(static, encoder, 0.02) == static.scores.min()


def test_a_worse_static_head_settles_only_what_it_is_as_good_at() -> None:
    static, encoder = calibrating(static_is_as_good=False)

    least = choose_first(static, encoder, 0.02)

    assert least is not None
    assert 0.25 < least < 0.45


def test_a_static_head_that_is_wrong_everywhere_or_sees_nothing_settles_nothing() -> None:
    static, encoder = calibrating(static_is_as_good=True)
    wrong = audited(static.scores, np.ones(1_000, dtype=np.bool_))
    blind = audited(np.full(1_000, -np.inf), static.is_wrong)

    assert choose_first(wrong, encoder, 0.02) is None
    assert choose_first(blind, encoder, 0.02) is None


def test_too_few_rows_to_tell_leave_all_to_the_encoder() -> None:
    static, encoder = calibrating(static_is_as_good=True)
    few = [part(rows, np.arange(1_000) < 300) for rows in (static, encoder)]

    assert choose_first(few[0], few[1], 0.02) is None
    assert choose_first(few[0], few[1], 0.05) is not None
