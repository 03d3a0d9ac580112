import math
from dataclasses import replace

import pytest

from tests.bundles import a_bundle
from tidegate.bundles.golden import check_golden
from tidegate.domain.bundle import Golden
from tidegate.errors import BundleError

BUNDLE = a_bundle(golden=(Golden("one", (0.9, 0.1)), Golden("two", (0.2, 0.8))))


def said(*rows: tuple[float, ...], static: tuple[float, ...] | None = None) -> list[Golden]:
    return [Golden(text, row, static) for text, row in zip(("one", "two"), rows, strict=True)]


def test_the_largest_deviation_is_given() -> None:
    assert check_golden(BUNDLE, said((0.9, 0.1), (0.21, 0.79))) == pytest.approx(0.01)


def test_other_scores_are_refused_with_the_remedy() -> None:
    with pytest.raises(BundleError, match=r"by 0\.300.*tidegate train"):
        check_golden(BUNDLE, said((0.9, 0.1), (0.5, 0.5)))


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(BundleError):
        check_golden(BUNDLE, said((math.nan, math.nan), (0.2, 0.8)))


def test_a_bundle_without_golden_texts_is_refused_with_the_remedy() -> None:
    with pytest.raises(BundleError, match=r"no golden scores.*tidegate train"):
        check_golden(replace(BUNDLE, golden=()), [])


def test_static_scores_count_where_both_sides_have_some() -> None:
    one, two = BUNDLE.golden
    both = replace(BUNDLE, golden=(replace(one, static=(0.7, 0.3)), two))
    same = ((0.9, 0.1), (0.2, 0.8))
    assert check_golden(both, said(*same, static=(0.72, 0.28))) == pytest.approx(0.02)
    assert check_golden(both, said(*same)) == 0.0
    with pytest.raises(BundleError, match=r"by 0\.600"):
        check_golden(both, said(*same, static=(0.1, 0.9)))
