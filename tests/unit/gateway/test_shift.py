"""The watch over traffic without labels, as the heads step it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.guarantees import GRANTED
from tidegate.domain.guarantee import Guarantee
from tidegate.gateway.shift import ShiftWatches
from tidegate.learning.drift import tails
from tidegate.statistics.calibration import Float64


def like_the_test(count: int, seed: int) -> Float64:
    return np.random.default_rng(seed).beta(5, 1, count)


WATCHED = replace(GRANTED, granted_at=10.0, tails=tails(like_the_test(1_000, 1)))


def shown(watches: ShiftWatches, guarantee: Guarantee, scores: Float64) -> None:
    for score in scores:
        watches.observe(guarantee, float(score))


def test_traffic_of_another_kind_alarms_once_and_traffic_of_the_same_kind_does_not() -> None:
    same, other = ShiftWatches(), ShiftWatches()
    shown(same, WATCHED, like_the_test(300, 2))
    shown(other, WATCHED, 1.0 - like_the_test(300, 2))

    assert same.alarms == []
    (alarm,) = other.alarms
    assert (alarm.task, alarm.granted_at) == (WATCHED.task, 10.0)
    assert "no longer what it was tested on" in alarm.reason


def test_a_newer_guarantee_begins_anew_and_requests_under_the_older_one_do_not_count() -> None:
    watches = ShiftWatches()
    shown(watches, WATCHED, np.zeros(300))
    newer = replace(WATCHED, granted_at=20.0)
    shown(watches, newer, like_the_test(50, 3))
    shown(watches, WATCHED, np.zeros(300))
    assert [alarm.granted_at for alarm in watches.alarms] == [10.0]

    shown(watches, newer, np.zeros(300))
    assert [alarm.granted_at for alarm in watches.alarms] == [10.0, 20.0]


@pytest.mark.parametrize("guarantee", [None, replace(WATCHED, tails=None)])
def test_what_was_tested_on_too_few_rows_is_not_watched(guarantee: Guarantee | None) -> None:
    watches = ShiftWatches()
    for _ in range(300):
        watches.observe(guarantee, 0.0)
    assert watches.alarms == []
