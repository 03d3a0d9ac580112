"""How far feedback may move a head."""

from tests.label_rows import a_label
from tidegate.domain.label import LabelRow
from tidegate.learning.audit import disjoint
from tidegate.learning.feedback import fitting


def labels(count: int, label: str | bool = "refund") -> list[LabelRow]:
    return [a_label(f"{label}{n}/0", label=label) for n in range(count)]


def said(number: int, **changes: object) -> LabelRow:
    return a_label(f"f{number}/0", **{"origin": "feedback", **changes})


def test_an_end_user_adds_one_percent_of_a_class_and_no_more() -> None:
    loud = [said(n, user=b"loud") for n in range(50)]
    other = said(99, user=b"other")
    assert fitting(labels(300), [*loud, other]) == [*loud[:3], other]


def test_a_text_and_its_near_duplicates_add_no_more_either_whoever_sends_them() -> None:
    same = [said(n, user=b"u%d" % n, cluster=b"same") for n in range(50)]
    assert fitting(labels(299), same) == same[:2]


def test_in_a_small_class_each_voice_has_one_row() -> None:
    rows = [said(1, user=b"a"), said(2, user=b"a"), said(3, user=b"b")]
    assert fitting(labels(10), rows) == [rows[0], rows[2]]
    assert fitting([], rows) == [rows[0], rows[2]]


def test_the_bound_is_that_of_each_class() -> None:
    rows = [said(n, user=b"a", label="order" if n % 2 else "refund") for n in range(8)]
    assert len(fitting([*labels(200, "order"), *labels(100)], rows)) == 3


def test_true_and_the_word_true_are_two_classes() -> None:
    rows = [said(1, user=b"a", label=True), said(2, user=b"a", label="true")]
    assert fitting(labels(10, label=True), rows) == rows


def test_feedback_of_a_group_that_calibrates_or_tests_is_left_out() -> None:
    assert fitting(labels(100), [said(1, role="calibrate"), said(2, role="test")]) == []


def test_whatever_its_role_feedback_neither_calibrates_nor_tests() -> None:
    parts = disjoint([said(n, role=role) for n, role in enumerate(("fit", "calibrate", "test"))])
    assert (len(parts.fit), parts.calibrate, parts.test) == (1, (), ())
