"""Whether recent audit rows show a guarantee anew, and at which level."""

from dataclasses import replace

import numpy as np
import pytest

from tests.guarantees import GRANTED
from tidegate.domain.guarantee import AttemptLedger, Level, Stratum
from tidegate.learning.attempts import begun, granted, share
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.renewal import is_worth_an_attempt, level_of, outcomes, still_holds

ONE = replace(GRANTED, levels=(Level(0.02, 0.5, 800, 5, 0.8, 0.016),))
TWO = replace(ONE, levels=(Level(0.01, 0.9, 500, 1, 0.5, 0.009), ONE.own))
EN = Stratum("language=en", 800, 700, 5, is_allowed=True)
DE = Stratum("language=de", 20, 0, 0, is_allowed=False)


def audited(accepted: int, wrong: int = 0, *, score: float = 0.95, below: int = 0) -> AuditRows:
    count = accepted + below
    scores = np.concatenate((np.full(accepted, score), np.full(below, 0.1)))
    is_wrong = np.arange(count) < wrong
    return AuditRows(scores, is_wrong, np.arange(count), {}, {})


def test_a_renewal_needs_recent_rows_that_show_it_alone() -> None:
    assert still_holds(ONE, audited(400, 1), 0.01) is not None
    assert still_holds(ONE, audited(100), 0.01) is None
    assert still_holds(ONE, audited(400, 8), 0.01) is None


def test_rows_below_the_threshold_neither_help_nor_harm() -> None:
    found = still_holds(ONE, audited(400, 1, below=400), 0.01)
    assert found is not None
    (own,) = found
    assert (own.accepted, own.errors, own.coverage) == (400, 1, 0.5)
    assert own.upper <= own.alpha


@pytest.mark.parametrize(("accepted", "is_worth"), [(227, False), (228, True)])
def test_too_few_rows_are_not_worth_an_attempt(accepted: int, is_worth: bool) -> None:
    assert is_worth_an_attempt(ONE, audited(accepted, below=900), 0.01) is is_worth


def test_a_stricter_level_may_be_lost_and_the_own_one_stay() -> None:
    found = still_holds(TWO, audited(450, 2), 0.01)
    assert found is not None
    assert [one.threshold for one in found] == [None, 0.5]
    assert (outcomes(TWO), outcomes(ONE)) == (2, 1)


def test_strata_that_are_not_answered_here_do_not_count() -> None:
    plain = audited(400, 8)
    german = np.arange(400) < 8
    rows = replace(plain, strata={"language=en": ~german, "language=de": german})
    assert still_holds(replace(ONE, strata=(EN, DE)), rows, 0.01) is not None
    assert still_holds(replace(ONE, strata=(EN, replace(DE, is_allowed=True))), rows, 0.01) is None


def test_a_renewal_spends_its_part_of_delta_and_makes_later_tests_pay() -> None:
    before = granted(begun(AttemptLedger()), 17, 5.0)
    assert level_of(ONE, before) == pytest.approx(0.05 * share(AttemptLedger(attempts=1)))
    assert level_of(TWO, before) == pytest.approx(level_of(ONE, before) / 2)
    after = granted(begun(before), outcomes(ONE), 9.0)
    assert share(after) < share(before) / 2
    assert after.granted_at == 9.0


def test_a_loss_above_alpha_is_renewed_no_more_often_than_the_level_says() -> None:
    generator, level, draws = np.random.default_rng(7), 0.05, 1_000
    worst = replace(ONE, levels=(Level(0.1, 0.5, 800, 5, 0.8, 0.05),))
    passed = 0
    for _ in range(draws):
        # Just above alpha, and the number of rows by chance.
        count = int(generator.integers(50, 400))
        is_wrong = generator.random(count) < 0.1 + 1e-9
        rows = AuditRows(np.full(count, 0.95), is_wrong, np.arange(count), {}, {})
        passed += still_holds(worst, rows, level) is not None
    share = passed / draws
    assert share <= level + 2.0 * np.sqrt(level * (1.0 - level) / draws)
    # Nor is it idle: a good head is renewed.
    assert still_holds(worst, audited(300, 12), level) is not None
