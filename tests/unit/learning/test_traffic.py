"""Rows that traffic labelled, held against what a bundle says."""

from dataclasses import replace

import numpy as np

from tests.bundles import a_bundle, a_head
from tests.label_rows import a_label
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Loss
from tidegate.domain.question import ChoiceValue
from tidegate.learning.traffic import audit_rows


def bundle(*labels: ChoiceValue) -> Bundle:
    """A head that is sure of the first label where the vector's first component is large."""
    weights = np.zeros((len(labels), 4), np.float32)
    weights[0, 0] = 4.0
    return a_bundle(head=replace(a_head(labels, 4), weights=weights))


def vector(first: float) -> np.ndarray:
    return np.array([first, 0, 0, 0], np.float32)


def test_a_predicate_is_judged_by_the_declared_cut_on_both_sides() -> None:
    # The head says 0.40; the upstream 0.35 and, to the other row, 0.10.
    rows = [
        a_label("1/0", label=False, probabilities=(0.35,), vector=vector(-0.1)),
        a_label("2/0", label=False, probabilities=(0.10,), vector=vector(-0.1)),
    ]

    at_half = audit_rows(bundle(True, False), rows, Loss("predicate"))
    below = audit_rows(bundle(True, False), rows, Loss("predicate", cut=0.3))

    assert at_half.is_wrong.tolist() == [False, False]
    assert below.is_wrong.tolist() == [False, True]


def test_languages_and_regions_are_strata_and_critical_rows_are_marked() -> None:
    rows = [
        a_label("1/0", label="a", vector=vector(1), language="en", region="no"),
        a_label("2/0", label="b", vector=vector(1), language="de", region="no"),
    ]

    found = audit_rows(bundle("a", "b"), rows, Loss("choice", critical=("b",)))

    assert found.is_wrong.tolist() == [False, True]
    assert found.critical["b"].tolist() == [False, True]
    assert {name: member.tolist() for name, member in found.strata.items()} == {
        "language=de": [False, True],
        "language=en": [True, False],
        "region=no": [True, True],
    }


def test_no_rows_are_no_fault() -> None:
    assert len(audit_rows(bundle("a", "b"), [], Loss("choice"))) == 0
