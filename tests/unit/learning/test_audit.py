"""The audit draw and the roles of rows."""

import pytest

from tests.label_rows import a_label
from tidegate.learning.audit import (
    TEST_SHARE,
    cluster,
    derive,
    disjoint,
    end_user,
    is_asked_twice,
    is_drawn,
    lot,
    role,
)

KEYS = derive(b"p" * 32)
IDS = [f"{number:032x}" for number in range(20_000)]


def test_the_draw_has_its_share_and_is_the_same_each_time() -> None:
    drawn = [is_drawn(lot(KEYS, one), 0.02) for one in IDS]

    # Within 4 standard errors of 400; the ids are fixed, so this never changes.
    assert abs(sum(drawn) - 400) < 80
    assert drawn == [is_drawn(lot(KEYS, one), 0.02) for one in IDS]


def test_a_larger_share_contains_a_smaller_one() -> None:
    assert all(is_drawn(lot(KEYS, one), 0.1) for one in IDS if is_drawn(lot(KEYS, one), 0.02))


def test_everything_or_nothing_is_drawn_at_the_ends() -> None:
    assert all(is_drawn(lot(KEYS, one), 1.0) for one in IDS)
    assert not any(is_drawn(lot(KEYS, one), 0.0) for one in IDS)


def test_another_pepper_draws_others() -> None:
    others = derive(b"o" * 32)
    ours = {one for one in IDS if is_drawn(lot(KEYS, one), 0.02)}
    theirs = {one for one in IDS if is_drawn(lot(others, one), 0.02)}
    assert len(ours & theirs) < 30


def test_who_is_asked_twice_does_not_hang_on_who_is_audited() -> None:
    both = sum(is_drawn(lot(KEYS, one), 0.1) and is_asked_twice(KEYS, one, 0.1) for one in IDS)
    assert abs(both - 200) < 60


@pytest.mark.parametrize(
    "same",
    ["Where is order 4711?", "order 12, where is?", "WHERE  is order 0", "is is order 99 where!!"],
)
def test_near_duplicates_are_one_cluster(same: str) -> None:
    assert cluster(KEYS, same) == cluster(KEYS, "where is order 1")


def test_other_words_are_another_cluster() -> None:
    assert cluster(KEYS, "where is my order") != cluster(KEYS, "where is order 1")


def test_texts_without_words_are_not_all_one_cluster() -> None:
    assert cluster(KEYS, "???") != cluster(KEYS, "!!!")


def test_a_lone_surrogate_has_a_cluster() -> None:
    assert cluster(KEYS, "\ud800")


def test_the_same_user_name_is_another_person_at_another_tenant() -> None:
    assert end_user(KEYS, "acme", "u1") != end_user(KEYS, "bravo", "u1")


def test_roles_have_their_shares_and_never_change() -> None:
    groups = [cluster(KEYS, f"text {'a' * number}") for number in range(3_000)]
    roles = [role(KEYS, group) for group in groups]

    assert abs(roles.count("test") / 3_000 - TEST_SHARE) < 0.03
    assert set(roles) == {"fit", "calibrate", "test"}
    assert roles == [role(KEYS, group) for group in groups]


def test_a_text_on_two_sides_stays_on_the_stronger() -> None:
    rows = [
        a_label("1", role="test", cluster=b"hello"),
        a_label("2", role="calibrate", cluster=b"hello"),
        a_label("3", role="fit", cluster=b"hello"),
        a_label("4", role="calibrate", cluster=b"bye"),
        a_label("5", role="fit", cluster=b"bye"),
        a_label("6", role="fit", cluster=b"else"),
    ]

    parts = disjoint(rows)

    assert [row.row_id for row in parts.test] == ["1"]
    assert [row.row_id for row in parts.calibrate] == ["4"]
    assert [row.row_id for row in parts.fit] == ["6"]


def test_only_audit_rows_calibrate_and_test() -> None:
    rows = [
        a_label(name, role=name, origin="escalated", cluster=name.encode())
        for name in ("fit", "calibrate", "test")
    ]

    parts = disjoint(rows)

    assert (parts.calibrate, parts.test) == ((), ())
    assert [row.row_id for row in parts.fit] == ["fit"]
