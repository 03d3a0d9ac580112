"""When a task is fitted again."""

import pytest

from tidegate.domain.label import LabelCounts
from tidegate.learning.schedule import Progress, is_due


def counts(fit: int = 100, calibrate: int = 20, test: int = 30, classes: int = 3) -> LabelCounts:
    return LabelCounts(
        rows=fit + calibrate + test, fit=fit, calibrate=calibrate, test=test, classes=classes
    )


def test_enough_rows_are_fitted_for_the_first_time() -> None:
    assert is_due(Progress(counts()))


@pytest.mark.parametrize(
    "few",
    [
        counts(classes=40),
        counts(fit=10),
        counts(calibrate=5, test=20),
        counts(classes=1),
        LabelCounts(),
    ],
)
def test_too_little_is_not_fitted(few: LabelCounts) -> None:
    assert not is_due(Progress(few))
    assert not is_due(Progress(few, is_stale=True))


def test_a_fit_waits_for_growth() -> None:
    assert not is_due(Progress(counts(fit=139), fit_at_last=100, measuring_at_last=50))
    assert is_due(Progress(counts(fit=140), fit_at_last=100, measuring_at_last=50))
    assert is_due(Progress(counts(test=50), fit_at_last=100, measuring_at_last=50))


def test_what_a_verdict_lacked_is_waited_for_and_no_longer() -> None:
    lacked = Progress(counts(fit=115), fit_at_last=100, measuring_at_last=50, lacking=15)
    assert is_due(lacked)
    assert not is_due(Progress(counts(fit=114), 100, 50, lacking=15))
    assert not is_due(Progress(counts(fit=114), 100, 50, lacking=1))
    assert not is_due(Progress(counts(fit=324), 100, 50, lacking=9_000))
    assert is_due(Progress(counts(fit=325), 100, 50, lacking=9_000))


def test_purged_rows_are_fitted_without_at_once() -> None:
    assert is_due(Progress(counts(), fit_at_last=100, measuring_at_last=50, is_stale=True))
