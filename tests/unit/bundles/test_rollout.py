"""Which version of a bundle is to serve."""

from dataclasses import replace

import pytest

from tests.guarantees import a_guarantee
from tidegate.bundles.rollout import Choice, before, choose, choose_for
from tidegate.domain.promise import Promise
from tidegate.domain.task import Task
from tidegate.errors import BundleError

VERSIONS = ("1-a", "2-b", "3-c")


@pytest.mark.parametrize(
    ("configured", "pinned", "granted", "chosen"),
    [
        (None, None, None, Choice(("3-c", "2-b", "1-a"), "age")),
        (None, None, "2-b", Choice(("2-b", "3-c", "1-a"), "guarantee")),
        (None, "2-b", "1-a", Choice(("2-b",), "pin")),
        ("1-a", "2-b", "3-c", Choice(("1-a",), "configuration")),
        ("9-z", None, None, Choice(("9-z",), "configuration")),
    ],
)
def test_the_configuration_goes_before_a_pin_a_pin_before_a_guarantee_that_before_age(
    configured: str | None, pinned: str | None, granted: str | None, chosen: Choice
) -> None:
    assert choose(configured, pinned, granted, VERSIONS) == chosen


def test_a_verdict_chooses_only_when_it_was_granted_to_a_task_with_a_promise() -> None:
    granted = a_guarantee(bundle_version="2-b")
    promised = Task(name="t", bundle="t", promise=Promise(0.02))

    assert choose_for(promised, None, granted, VERSIONS).by == "guarantee"
    assert choose_for(promised, None, replace(granted, state="expired"), VERSIONS).by == "age"
    assert choose_for(promised, None, None, VERSIONS).by == "age"
    assert choose_for(replace(promised, promise=None), None, granted, VERSIONS).by == "age"


def test_without_a_version_there_is_nothing_to_choose() -> None:
    assert choose(None, None, None, ()) == Choice((), "age")


def test_going_back_is_one_version_at_a_time_and_ends() -> None:
    assert before("3-c", VERSIONS) == "2-b"
    assert before("2-b", VERSIONS) == "1-a"
    for last in ("1-a", "gone"):
        with pytest.raises(BundleError, match="no version before"):
            before(last, VERSIONS)
