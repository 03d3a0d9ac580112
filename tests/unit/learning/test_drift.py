"""When a guarantee may stand, and how soon it falls."""

from dataclasses import replace

import numpy as np
import pytest

from tests.guarantees import a_guarantee
from tidegate.domain.guarantee import Guarantee, LabelSource
from tidegate.learning.drift import (
    MOST_ALARMS,
    QUIET_ROWS,
    RUN_LENGTH,
    WARNING,
    LossWatch,
    ShiftWatch,
    alarmed,
    attention,
    audit_share,
    changed_source,
    delay_labels,
    delay_s,
    held_against,
    is_due,
    lost_source,
    observe_loss,
    observe_shift,
    reference,
    settled,
    tails,
    watch_loss,
    watch_shift,
)


def _fed(watch: LossWatch, errors: list[bool]) -> LossWatch:
    for is_wrong in errors:
        watch = observe_loss(watch, is_wrong)
    return watch


def _guarantee() -> Guarantee:
    return a_guarantee(
        labels=LabelSource("agreement", "big", "m1"), expires_at=100.0, expires_after_answers=500
    )


def test_answers_that_are_right_never_alarm() -> None:
    watch = _fed(watch_loss(0.02), [False] * 3_000)
    assert not watch.is_alarmed
    assert watch.evidence < 1.0


def test_answers_that_are_often_wrong_alarm_after_about_the_expected_labels() -> None:
    watch = _fed(watch_loss(0.02), [False] * 200)
    expected = delay_labels(watch, 0.2)
    assert expected is not None
    generator = np.random.default_rng(3)
    taken = []
    for _ in range(40):
        one, count = watch, 0
        while not one.is_alarmed:
            one, count = observe_loss(one, bool(generator.random() < 0.2)), count + 1
        taken.append(count)
    assert expected / 2 < np.median(taken) < expected * 2


def test_delay_in_seconds_follows_from_audited_answers_a_second() -> None:
    watch = watch_loss(0.02)
    labels = delay_labels(watch, 0.1)
    assert labels is not None
    found = delay_s(watch, 0.1, requests_per_s=10, audit_share=0.02, coverage=0.5)
    assert found == pytest.approx(labels / 0.1)
    assert delay_labels(watch, 0.01) is None


def test_same_stream_gives_the_same_evidence() -> None:
    stream = [bool(i % 17 == 0) for i in range(400)]
    first, second = _fed(watch_loss(0.02), stream), _fed(watch_loss(0.02), stream)
    assert first.evidence == second.evidence


def test_traffic_like_the_reference_does_not_alarm() -> None:
    generator = np.random.default_rng(4)
    known = reference(generator.beta(5, 1, 2_000))
    assert known is not None
    sums = np.zeros((20, *watch_shift(known).sums.shape))
    for _ in range(3_000):
        sums = settled(sums, known, generator.beta(5, 1, 20))
    assert (sums.mean(axis=(1, 2)) < RUN_LENGTH).all()


def test_shift_to_low_scores_alarms_within_500_decisions() -> None:
    generator = np.random.default_rng(5)
    known = reference(generator.beta(5, 1, 2_000))
    assert known is not None
    watch, count = watch_shift(known), 0
    while not watch.is_alarmed:
        is_strange = generator.random() < 0.18
        score = generator.beta(1, 5) if is_strange else generator.beta(5, 1)
        watch, count = observe_shift(watch, known, float(score)), count + 1
    assert count <= 500


def test_evidence_never_overflows() -> None:
    known = reference(np.linspace(0, 1, 500))
    assert known is not None
    watch = ShiftWatch(np.full(watch_shift(known).sums.shape, 1e300))
    assert np.isfinite(observe_shift(watch, known, -1.0).sums).all()


def test_few_rows_are_no_reference() -> None:
    assert reference(np.linspace(0, 1, 50)) is None


KNOWN = LabelSource("agreement", "big", "m1")


def test_another_model_of_the_same_upstream_is_a_change_of_the_source() -> None:
    assert "from `m1` to `m2`" in (changed_source(KNOWN, "big", "m2") or "")
    assert changed_source(KNOWN, "big", "m1") is None
    # Another upstream stood in for it: that says nothing of this one.
    assert changed_source(KNOWN, "spare", "m2") is None


def test_an_upstream_that_nobody_asks_any_more_is_lost() -> None:
    assert "`big`" in (lost_source(KNOWN, {"spare"}) or "")
    assert lost_source(KNOWN, {"big", "spare"}) is None


def test_gold_labels_do_not_depend_on_an_upstream() -> None:
    gold = LabelSource("gold")
    assert changed_source(gold, "big", "m2") is None
    assert lost_source(gold, set()) is None


def test_guarantee_is_due_by_age_and_by_answers() -> None:
    assert not is_due(_guarantee(), 99.0, 499)
    assert is_due(_guarantee(), 100.0, 0)
    assert is_due(_guarantee(), 0.0, 500)


def test_audit_share_rises_with_alarms_to_a_bound() -> None:
    assert [audit_share(0.02, alarms) for alarms in (0, 1, 5)] == [0.02, 0.04, 0.2]
    assert audit_share(0.5, 0) == 0.5
    alarmed_often = _guarantee()
    for _ in range(10):
        alarmed_often = replace(alarmed_often, alarms=alarmed(alarmed_often))
    assert alarmed_often.alarms == MOST_ALARMS


def test_a_warning_raises_the_share_once_and_quiet_rows_take_one_rise_back() -> None:
    plain = _guarantee()
    assert attention(plain, 1.0, 10_000) == plain
    warned = attention(plain, WARNING, 0)
    assert (warned.alarms, warned.is_warned) == (1, True)
    assert attention(warned, 2 * WARNING, 10_000) == warned

    assert attention(warned, 1.0, QUIET_ROWS - 1) == warned
    assert attention(warned, 1.0, QUIET_ROWS) == plain


def test_texts_that_a_cache_repeats_do_not_make_the_others_look_like_a_shift() -> None:
    generator = np.random.default_rng(6)
    distinct = generator.beta(5, 1, 1_000)
    easy = np.repeat(np.sort(distinct)[-100:], 40)
    found = tails(np.concatenate((distinct, easy)), distinct)
    assert found is not None
    watch, known = watch_shift(held_against(found)), held_against(found)
    for score in generator.permutation(distinct):
        watch = observe_shift(watch, known, float(score))
    assert not watch.is_alarmed


def test_few_distinct_texts_and_scores_that_are_all_alike_are_not_watched() -> None:
    assert tails(np.linspace(0, 1, 500), np.linspace(0, 1, 50)) is None
    flat = tails(np.ones(500), np.zeros(500))
    assert flat is None
