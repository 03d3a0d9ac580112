"""How delta is shared among the attempts of a task."""

from itertools import product

from tidegate.domain.guarantee import AttemptLedger
from tidegate.learning.attempts import begun, granted, renewed, share


def test_attempts_on_young_rows_spend_delta_once() -> None:
    ledger, spent = AttemptLedger(), 0.0
    for k in range(1, 2001):
        spent += share(ledger)
        ledger = renewed(begun(ledger), float(k))
    assert 0.999 < spent < 1.0


def test_first_attempt_spends_six_over_pi_squared() -> None:
    assert abs(share(AttemptLedger()) - 0.6079) < 1e-4


def test_all_transcripts_of_one_attempt_together_spend_no_more_than_the_attempt() -> None:
    outcomes = 3
    for earlier in range(1, 6):
        total = 0.0
        for transcript in product(range(outcomes + 1), repeat=earlier):
            ledger = AttemptLedger()
            for outcome in transcript:
                ledger = begun(ledger)
                if outcome:
                    ledger = granted(ledger, outcomes)
            total += share(ledger)
        alone = share(AttemptLedger(attempts=earlier))
        assert total <= alone * (1 + 1e-12)


def test_more_grants_leave_less_for_the_next_attempt() -> None:
    once = granted(begun(AttemptLedger()), 20)
    twice = granted(begun(once), 20)
    assert share(twice) < share(once) / 20


def test_younger_rows_start_a_new_transcript_and_keep_what_was_spent() -> None:
    ledger = renewed(granted(begun(AttemptLedger()), 20), 77.0)
    assert ledger == AttemptLedger(attempts=1, young_since=77.0)
    assert abs(share(ledger) - 0.6079 / 4) < 1e-4
