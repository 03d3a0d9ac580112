import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.question import Option, Question
from tidegate.errors import FitError
from tidegate.learning.rows import Row, read_requests, read_rows, training_set

GOOD = [Row(f"text {i}", "ab"[i % 2]) for i in range(12)]


def lines(*rows: object) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def test_rows_are_read() -> None:
    data = lines({"text": "one", "label": "a"}, {"text": "two", "label": True, "family": "f"})
    assert read_rows(data, source="x") == (Row("one", "a"), Row("two", True, "f"))


def test_empty_lines_and_windows_line_ends_are_taken() -> None:
    data = b'{"text":"one","label":"a"}\r\n\n  \r\n{"text":"two","label":"b"}'
    assert len(read_rows(data, source="x")) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"text": "one"}, "Object missing required field `label`"),
        ({"label": "a"}, "Object missing required field `text`"),
        ({"text": "one", "label": "a", "lable": "b"}, "Object contains unknown field `lable`"),
        ({"text": "one", "label": 3}, "Expected `bool | str | null`"),
        ({"text": None, "label": "a"}, "Expected `str`"),
        ({"text": "  \n", "label": "a"}, "`text` is empty"),
        ({"text": "\u200b\x07", "label": "a"}, "`text` is empty, or shows nothing"),
        ({"text": "one", "label": ""}, "`label` is empty"),
        ({"text": "one", "label": "a", "family": ""}, "`family` is empty"),
        ({"text": "one", "label": "a", "region": ""}, "`region` is empty"),
        (["one", "a"], "Expected `object`"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(line: object, said: str) -> None:
    with pytest.raises(FitError) as refused:
        read_rows(lines({"text": "fine", "label": "a"}, line), source="rows.jsonl")
    assert "rows.jsonl: 1 lines are not rows" in str(refused.value)
    assert f"line 2: {said}" in str(refused.value)


@pytest.mark.parametrize("line", [b"{", b"text,label", b"\xff\xfe", b'{"text": "\\ud800"}'])
def test_what_is_no_json_is_named_by_its_line(line: bytes) -> None:
    with pytest.raises(FitError, match="line 1: "):
        read_rows(line, source="x")


def test_many_wrong_rows_are_counted() -> None:
    with pytest.raises(FitError, match=r"x: 25 lines(.|\n)*and 15 more"):
        read_rows(b"\n".join([b"{}"] * 25), source="x")


def test_an_error_does_not_repeat_the_text() -> None:
    with pytest.raises(FitError) as refused:
        read_rows(lines({"text": "my card 4411", "label": 3}), source="x")
    assert "4411" not in str(refused.value)


def test_few_rows_or_labels_are_refused() -> None:
    with pytest.raises(FitError, match="9 rows are too few; give 10"):
        training_set(GOOD[:9], None)
    with pytest.raises(FitError, match="same label"):
        training_set([Row(f"text {i}", "a") for i in range(12)], None)
    with pytest.raises(FitError, match="1001 labels are too many"):
        training_set([Row(f"text {i}", f"label {i}") for i in range(1001)], None)


def test_labels_are_sorted_so_that_the_order_of_rows_does_not_matter() -> None:
    assert training_set(GOOD[::-1], None).labels == ("a", "b")
    mixed = [*GOOD, Row("x", True), Row("y", "true"), Row("z", False)]
    assert training_set(mixed, None).labels == (False, True, "a", "b", "true")


def test_labels_of_a_question_keep_its_order() -> None:
    question = Question("choice", None, "Which?", (Option("b"), Option("a")))
    made = training_set(GOOD, question)
    assert made.labels == ("b", "a")
    assert made.targets[:2] == (1, 0)


def test_labels_that_are_not_the_options_are_named() -> None:
    question = Question("choice", None, "Which?", (Option("a"), Option("c")))
    with pytest.raises(FitError, match='labels that it does not: "b"; no row has: "c"'):
        training_set(GOOD, question)


def test_a_predicate_takes_true_and_false_and_not_their_names() -> None:
    question = Question("predicate", None, "It is urgent.")
    rows = [Row(f"text {i}", i % 2 == 0) for i in range(12)]
    assert training_set(rows, question).labels == (True, False)
    words = [Row(f"text {i}", ("false", "true")[i % 2]) for i in range(12)]
    with pytest.raises(FitError, match="Write the labels of a predicate as true and false"):
        training_set(words, question)


def test_a_score_takes_its_levels() -> None:
    question = Question("score", None, "How urgent?", (Option("b"), Option("a")))
    assert training_set(GOOD, question).labels == ("b", "a")


def test_contradictions_are_counted_and_stay() -> None:
    rows = [*GOOD, Row("Text  0", "b"), Row("text 0", "a")]
    made = training_set(rows, None)
    assert (made.contradictions, len(made.texts)) == (1, 14)


def test_rows_of_one_family_are_one_group() -> None:
    rows = [*GOOD, Row("one", "a", "f"), Row("two", "b", "f"), Row("three", "b", "g")]
    *_, one, two, three = training_set(rows, None).groups
    assert one == two != three


def test_a_text_in_two_families_joins_them() -> None:
    rows = [*GOOD, Row("one", "a", "f"), Row("One", "a", "g"), Row("two", "b", "g")]
    *_, first, second, third = training_set(rows, None).groups
    assert first == second == third


ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(["one", "One", "two", "three", "four", "five"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([None, "f", "g", "h"]),
    ),
    max_size=12,
)


@given(ROWS)
def test_no_group_is_split(rows: list[Row]) -> None:
    made = training_set([*GOOD, *rows], None)
    groups = made.groups[len(GOOD) :]
    for row, group in zip(rows, groups, strict=True):
        for other, other_group in zip(rows, groups, strict=True):
            same_text = row.text.casefold() == other.text.casefold()
            if same_text or (row.family is not None and row.family == other.family):
                assert group == other_group


def test_rows_without_a_label_are_out_of_scope() -> None:
    rows = read_rows(b'{"text": "what is love", "label": null}', source="rows")
    found = training_set([*GOOD, *rows], None)
    assert found.outside == ("what is love",)
    assert "what is love" not in found.texts
    assert found.labels == ("a", "b")


def test_requests_give_the_rows_of_each_task() -> None:
    data = lines({"text": "one", "labels": {"y": True, "x": "a"}, "family": "f", "region": "no"})
    assert read_requests(data, ["x", "y"], source="s") == [
        (Row("one", "a", "f", "no"),),
        (Row("one", label=True, family="f", region="no"),),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "one"}, "missing required field `labels`"),
        ({"text": "one", "labels": {"x": "a"}}, "`labels` must name exactly `x`, `y`"),
        ({"text": "one", "labels": {"x": "a", "y": "b", "z": "c"}}, "exactly `x`, `y`"),
        ({"text": " ", "labels": {"x": "a", "y": "b"}}, "`text` is empty"),
        ({"text": "one", "labels": {"x": "", "y": "b"}}, "`label` is empty"),
    ],
)
def test_a_request_that_is_wrong_is_named(row: object, said: str) -> None:
    good = {"text": "one", "labels": {"x": "a", "y": None}}
    with pytest.raises(FitError, match="s: 1 lines are not rows such as") as caught:
        read_requests(lines(good, row), ["x", "y"], source="s")
    assert "line 2: " in str(caught.value)
    assert said in str(caught.value)
