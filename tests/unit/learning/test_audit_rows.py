"""What counts as wrong, and how rows of several classifiers or questions become one."""

import numpy as np
import pytest

from tidegate.domain.guarantee import Loss
from tidegate.domain.question import ChoiceValue
from tidegate.learning.audit_rows import Answers, AuditRows, Truth, judged, staged, together

LEVELS = ("1", "2", "3")


def rows(scores: list[float], is_wrong: list[bool], **critical: list[bool]) -> AuditRows:
    return AuditRows(
        np.array(scores),
        np.array(is_wrong),
        np.arange(len(scores)),
        {label: np.array(is_it) for label, is_it in critical.items()},
        {},
    )


@pytest.mark.parametrize(
    ("labels", "said", "truth", "loss", "expected"),
    [
        (("a", "b"), (0.9, 0.1), "a", Loss("choice"), False),
        (("a", "b"), (0.9, 0.1), "b", Loss("choice"), True),
        (("a", "b"), (0.9, 0.1), None, Loss("choice"), True),
        (LEVELS, (0.8, 0.1, 0.1), "2", Loss("score"), True),
        (LEVELS, (0.8, 0.1, 0.1), "2", Loss("score", levels_off=1), False),
        (LEVELS, (0.8, 0.1, 0.1), "3", Loss("score", levels_off=1), True),
        (LEVELS, (0.8, 0.1, 0.1), None, Loss("score", levels_off=9), True),
        ((True, False), (0.4, 0.6), True, Loss("predicate", cut=0.3), False),
        ((True, False), (0.4, 0.6), False, Loss("predicate", cut=0.3), True),
        ((True, False), (0.4, 0.6), True, Loss("predicate"), True),
        ((True, False), (0.4, 0.6), None, Loss("predicate"), True),
        (("true", "false"), (0.4, 0.6), "false", Loss("choice"), False),
    ],
)
def test_loss(
    labels: tuple[ChoiceValue, ...],
    said: tuple[float, ...],
    truth: ChoiceValue | None,
    loss: Loss,
    *,
    expected: bool,
) -> None:
    answers = Answers(labels, np.array([said], np.float32), np.array([0.9]))
    found = judged(answers, Truth([truth], ["g"], [()]), loss)
    assert found.is_wrong.tolist() == [expected]


def test_rows_are_marked_by_group_stratum_and_critical_label() -> None:
    given = np.full((3, 2), 0.5, np.float32)
    truth = Truth(["a", "b", None], ["x", "y", "x"], [("language=en",), ("language=de",), ()])

    found = judged(
        Answers(("a", "b"), given, np.ones(3)), truth, Loss("choice", critical=("b", "gone"))
    )

    assert found.groups.tolist() == [0, 1, 0]
    assert found.critical["b"].tolist() == [False, True, False]
    assert found.critical["gone"].tolist() == [False, False, False]
    assert {name: member.tolist() for name, member in found.strata.items()} == {
        "language=de": [False, True, False],
        "language=en": [True, False, False],
    }


def test_each_row_has_the_score_and_the_answer_of_whoever_settles_it() -> None:
    first = rows([0.9, 0.5, -np.inf], [True, True, True])
    then = rows([0.2, 0.8, 0.7], [False, False, False])

    pair = staged(first, then, 0.6)

    assert pair.scores.tolist() == [0.9, 0.8, 0.7]
    assert pair.is_wrong.tolist() == [True, False, False]
    assert staged(first, then, None) is then


def test_a_request_is_as_sure_as_its_least_sure_answer_and_wrong_when_any_is() -> None:
    one = rows([0.9, 0.5, 0.7], [False, True, False], fraud=[True, False, False])
    two = rows([0.8, 0.6, 0.9], [False, False, True], angry=[False, True, True])

    found = together([one, two])

    assert found.scores.tolist() == [0.8, 0.5, 0.7]
    assert found.is_wrong.tolist() == [False, True, True]
    assert {label: is_it.tolist() for label, is_it in found.critical.items()} == {
        "fraud": [True, False, False],
        "angry": [False, True, True],
    }
