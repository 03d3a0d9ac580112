"""Questions that are promised as one request are answered here all or none."""

import pytest

from tests.bundles import a_bundle
from tests.guarantees import a_guarantee
from tidegate.domain.promise import Promise
from tidegate.domain.question import Decision
from tidegate.domain.task import Task
from tidegate.tasks.classify import LoadedTask, NotConfident, join
from tidegate.tasks.together import Outcome, hold_together

SURE = Decision((0.9, 0.1), 0.9)
UNSURE = NotConfident(0.6)


def member(name: str, *, granted_at: float = 1.0, company: str = "xy") -> LoadedTask:
    guarantee = a_guarantee(task=name, together=tuple(company), granted_at=granted_at)
    return join(Task(name, name, promise=Promise(0.05)), a_bundle(), guarantee=guarantee)


X, Y, ALONE = member("x"), member("y"), member("z", company="")


@pytest.mark.parametrize(
    ("found", "outcomes"),
    [
        ([X, Y], [SURE, SURE]),
        ([Y, X, ALONE], [SURE, SURE, UNSURE]),
        ([ALONE], [SURE]),
        ([X, Y, "not covered"], [SURE, SURE, "not covered"]),
    ],
)
def test_what_is_whole_is_given(found: list[LoadedTask | str], outcomes: list[Outcome]) -> None:
    assert hold_together(found, outcomes) == tuple(outcomes)


@pytest.mark.parametrize(
    ("found", "outcomes", "why"),
    [
        ([X, Y], [SURE, UNSURE], "another question of the request is not answered here"),
        ([X], [SURE], "the guarantee is for requests that ask `x`, `y` together"),
        ([X, "the guarantee is suspended"], [SURE, "the guarantee is suspended"], "`x`, `y`"),
        ([X, Y, Y], [SURE, SURE, SURE], "`x`, `y` together"),
        ([X, member("y", granted_at=2.0)], [SURE, SURE], "`x`, `y` together"),
    ],
)
def test_what_misses_one_of_its_company_goes_up(
    found: list[LoadedTask | str], outcomes: list[Outcome], why: str
) -> None:
    (first, *_) = hold_together(found, outcomes)
    assert isinstance(first, NotConfident)
    assert why in first.reason
    assert first.confidence == 0.9


def test_others_keep_their_answers() -> None:
    held = hold_together([X, Y, ALONE], [SURE, UNSURE, SURE])
    assert held[1:] == (UNSURE, SURE)
