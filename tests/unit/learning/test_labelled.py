"""Labelled rows from a file: parts, losses, strata."""

from dataclasses import replace

import pytest

from tests.bundles import a_bundle, a_head
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Loss
from tidegate.domain.question import ChoiceValue
from tidegate.errors import FitError
from tidegate.learning.labelled import Said, parted
from tidegate.learning.rows import Row


def _bundle(*labels: ChoiceValue) -> Bundle:
    return a_bundle(head=a_head(labels))


def _rows(count: int) -> list[Row]:
    return [Row(f"where is the order number {i}", "ab"[i % 2]) for i in range(count)]


SAID = Said((0.9, 0.1), 0.9)


def test_groups_never_straddle_and_keep_their_part_in_every_file() -> None:
    rows = [replace_family(row, f"f{i // 3}") for i, row in enumerate(_rows(300))]
    halves = parted(rows, [SAID] * 300, _bundle("a", "b"), Loss("choice"))
    assert not set(halves.calibrate.groups.tolist()) & set(halves.test.groups.tolist())
    assert 40 < len(halves.calibrate) < 110
    more = parted([*rows, *_rows(50)], [SAID] * 350, _bundle("a", "b"), Loss("choice"))
    assert len(more.calibrate) >= len(halves.calibrate)


def replace_family(row: Row, family: str) -> Row:
    return Row(row.text, row.label, family)


def test_critical_rows_and_languages_are_marked() -> None:
    rows = [*_rows(100), *(Row(f"wo ist das Paket {i}", "a") for i in range(60))]
    halves = parted(rows, [SAID] * 160, _bundle("a", "b"), Loss("choice", critical=("b",)))
    assert set(halves.test.strata) == {"language=en", "language=de"}
    truly = halves.test.critical["b"].sum() + halves.calibrate.critical["b"].sum()
    assert truly == 50


def test_regions_are_strata_where_the_file_states_them() -> None:
    rows = [
        Row(row.text, row.label, region="no" if i % 3 else "se") for i, row in enumerate(_rows(100))
    ]
    halves = parted(rows, [SAID] * 100, _bundle("a", "b"), Loss("choice"))
    assert set(halves.test.strata) == {"language=en", "region=no", "region=se"}


def test_unknown_labels_and_few_rows_are_refused() -> None:
    with pytest.raises(FitError, match="does not know these labels: 'c'"):
        parted([*_rows(80), Row("x", "c")], [SAID] * 81, _bundle("a", "b"), Loss("choice"))
    with pytest.raises(FitError, match="10 rows are too few"):
        parted(_rows(10), [SAID] * 10, _bundle("a", "b"), Loss("choice"))


def test_true_and_its_word_are_different_labels() -> None:
    with pytest.raises(FitError, match="'true'"):
        parted(
            [Row(f"t {i}", "true") for i in range(80)],
            [SAID] * 80,
            _bundle(True, False),
            replace(Loss("predicate")),
        )
