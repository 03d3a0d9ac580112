import math
from dataclasses import replace

import numpy as np
import pytest

from tidegate.bundles.golden import check_golden
from tidegate.domain.bundle import Bundle, Calibration, Golden, Head, Metrics, Provenance
from tidegate.errors import BundleError

BUNDLE = Bundle(
    name="support",
    version="1-0123456789ab",
    content_hash="0" * 64,
    created=0.0,
    encoder="e" * 64,
    head=Head(("a", "b"), np.eye(2, dtype=np.float32), np.zeros(2, np.float32), Calibration(1, 0)),
    questions=(),
    metrics=Metrics(10, 5, 1.0, 0.0, 0.0, ()),
    provenance=Provenance("file", "0" * 64, 10),
    golden=(Golden("one", (0.9, 0.1)), Golden("two", (0.2, 0.8))),
)


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
