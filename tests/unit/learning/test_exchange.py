"""What travels to a learner, and what is taken over from it."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.guarantees import a_guarantee
from tests.label_rows import a_label
from tidegate.domain.exchange import AuditCount
from tidegate.domain.guarantee import Guarantee, Level, Loss
from tidegate.domain.promise import Promise
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.exchange import (
    Decline,
    Extend,
    Save,
    counted,
    in_order,
    may_leave,
    placed,
    spread,
    take,
)

NOW = 1_800_000_000.0
LAPSE_S = 900.0
PROMISE = Promise(0.02)
OFFERED = a_guarantee(granted_at=NOW - 50.0, expires_at=NOW + 86_400.0)
HERE = a_guarantee(granted_at=NOW - 50.0, expires_at=NOW + 800.0)


def taken(
    here: Guarantee | None, offered: Guarantee, promise: Promise = PROMISE
) -> Save | Extend | Decline | None:
    return take(here, offered, promise, now=NOW, lapse_s=LAPSE_S)


@pytest.mark.parametrize(
    ("zone", "learner", "told", "may"),
    [
        ("eu", "eu", None, True),
        ("eu", "eu", "eu", True),
        ("eu", "us", None, False),
        ("eu", "us", "eu", False),
        ("eu", "eu", "us", False),
    ],
)
def test_a_row_leaves_only_where_all_say_the_same_zone(
    zone: str, learner: str, told: str | None, *, may: bool
) -> None:
    assert may_leave(zone, learner, told) is may


def test_a_guarantee_is_taken_over_until_the_learner_should_have_spoken_again() -> None:
    step = taken(None, OFFERED)
    assert isinstance(step, Save)
    assert step.guarantee == a_guarantee(granted_at=NOW - 50.0, expires_at=NOW + LAPSE_S)


def test_one_that_ends_sooner_ends_no_later_here() -> None:
    step = taken(None, a_guarantee(expires_at=NOW + 10.0))
    assert isinstance(step, Save)
    assert step.guarantee.expires_at == NOW + 10.0


def test_what_serves_is_put_off_when_half_of_the_time_has_passed() -> None:
    assert taken(HERE, OFFERED) is None
    old = a_guarantee(granted_at=NOW - 50.0, expires_at=NOW + 400.0)
    assert taken(old, OFFERED) == Extend(
        a_guarantee(granted_at=NOW - 50.0, expires_at=NOW + LAPSE_S)
    )


def test_a_shorter_lapse_holds_at_once() -> None:
    long = a_guarantee(granted_at=NOW - 50.0, expires_at=NOW + 5_000.0)
    step = taken(long, OFFERED)
    assert isinstance(step, Extend)
    assert step.guarantee.expires_at == NOW + LAPSE_S


def test_what_was_suspended_here_waits_for_another_guarantee() -> None:
    suspended = a_guarantee(granted_at=NOW - 50.0, state="suspended")
    assert taken(suspended, OFFERED) is None
    assert isinstance(taken(suspended, a_guarantee(granted_at=NOW - 1.0)), Save)


def test_what_had_lapsed_serves_again_when_it_is_confirmed() -> None:
    assert isinstance(taken(a_guarantee(granted_at=NOW - 50.0, state="expired"), OFFERED), Save)


def test_one_that_is_over_does_not_begin_again_and_again() -> None:
    over = a_guarantee(granted_at=NOW - 50.0, expires_at=NOW - 1.0)
    expired = a_guarantee(granted_at=NOW - 50.0, expires_at=NOW - 1.0, state="expired")
    assert taken(expired, over) is None


@pytest.mark.parametrize("state", ["suspended", "expired", "none"])
def test_a_verdict_that_grants_nothing_is_taken_over_once(state: str) -> None:
    ended = a_guarantee(granted_at=NOW - 50.0, state=state, audit_stratum=3)
    assert taken(HERE, ended) == Save(ended)
    assert taken(None, ended) == Save(ended)
    assert taken(ended, ended) is None


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (Promise(0.01), "`max_error` is 0.01"),
        (Promise(0.02, delta=0.01), "its confidence is 0.95"),
        (Promise(0.02, loss=Loss("choice", critical=("fraud",))), "counts other answers as wrong"),
        (Promise(0.02, mode="crc"), "unlike this node's settings"),
        (Promise(0.02, unit="distinct decision"), "unlike this node's settings"),
    ],
)
def test_a_guarantee_that_is_less_than_asked_for_is_declined(promise: Promise, words: str) -> None:
    step = taken(None, OFFERED, promise)
    assert isinstance(step, Decline)
    assert words in step.reason


def test_a_stricter_guarantee_than_asked_for_is_welcome() -> None:
    strict = a_guarantee(levels=(Level(0.01, 0.9, 1_000, 5, 0.8, 0.009),))
    assert isinstance(taken(None, strict), Save)


GRANTED = a_guarantee(audit_share=0.02, audit_stratum=1)


@pytest.mark.parametrize(
    ("verdict", "stratum", "share", "origin"),
    [
        (None, 0, 1.0, "audit"),
        (None, 0, 0.02, "escalated"),
        (GRANTED, 1, 0.02, "audit"),
        # From before the grant, sent late: of the sample of that time.
        (GRANTED, 0, 1.0, "audit"),
        # A node that was suspended alone, or drew with another share.
        (GRANTED, 1, 1.0, "escalated"),
        (GRANTED, 2, 1.0, "escalated"),
        (a_guarantee(state="suspended", audit_share=0.02, audit_stratum=2), 2, 1.0, "audit"),
    ],
)
def test_only_rows_of_the_learners_own_sample_measure(
    verdict: Guarantee | None, stratum: int, share: float, origin: str
) -> None:
    row = placed(a_label(stratum=stratum, share=share), verdict)
    assert (row.origin, row.share) == (origin, share if origin == "audit" else 0.0)


def test_counts_are_told_by_language() -> None:
    rows = [a_label(str(number), language=name) for number, name in enumerate("aabb")]
    scored = AuditRows(
        scores=np.array([0.95, 0.5, 0.9, 0.99]),
        is_wrong=np.array([True, True, False, True]),
        groups=np.arange(4),
        critical={},
        strata={},
    )
    verdict = a_guarantee(bundle="b", granted_at=7.0)
    assert counted(rows, scored, verdict) == (
        AuditCount("b", 7.0, "language=a", seen=2, accepted=1, disagreed=1),
        AuditCount("b", 7.0, "language=b", seen=2, accepted=2, disagreed=1),
    )


@pytest.mark.parametrize(("accepted", "disagreed"), [(0, 0), (5, 0), (5, 5), (10, 3), (7, 1)])
def test_spreading_keeps_the_counts(accepted: int, disagreed: int) -> None:
    found = spread(accepted, disagreed)
    assert (len(found), sum(found)) == (accepted, disagreed)


def test_disagreements_are_spread_evenly() -> None:
    assert spread(6, 2) == [False, False, True, False, False, True]


def test_what_is_in_the_sequence_never_moves() -> None:
    count = AuditCount("b", 7.0, "language=en", seen=3, accepted=2, disagreed=2)
    late = AuditCount("b", 7.0, "language=de", seen=3, accepted=1, disagreed=1)
    rows = [(1, False), (4, True)]

    def sequence(
        rows: Sequence[tuple[int, bool]], counts: Sequence[tuple[int, AuditCount]]
    ) -> list[bool]:
        return list(in_order(rows, counts))

    before = sequence(rows, [(2, count)])
    assert before == [False, True, True, True]
    after = sequence([*rows, (9, False)], [(2, count), (4, late)])
    assert after[: len(before)] == before
    assert after == [*before, True, False]
