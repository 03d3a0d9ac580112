"""When what a head says may be given as this node's own answer."""

from dataclasses import replace
from typing import Any

import pytest

from tests.bundles import a_bundle
from tests.guarantees import a_guarantee
from tidegate.domain.bundle import (
    StaticHead,
    StaticMetrics,
)
from tidegate.domain.guarantee import Guarantee, Level, Stratum
from tidegate.domain.promise import Promise
from tidegate.domain.task import Task
from tidegate.tasks.accept import Asked, Candidate, level_for, refusal, standing

PROMISED = Task("t", "t", promise=Promise(0.05))
BUNDLE = a_bundle()


def _guarantee(**changes: Any) -> Guarantee:
    levels = (
        Level(0.01, None, 0, 0, 0.0, 1.0),
        Level(0.02, 0.95, 500, 2, 0.5, 0.018),
        Level(0.05, 0.8, 800, 20, 0.8, 0.045),
    )
    strata = (
        Stratum("language=en", 900, 700, 9, is_allowed=True),
        Stratum("language=fr", 9, 0, 0, is_allowed=False),
    )
    return replace(a_guarantee(levels=levels, expires_at=100.0, strata=strata), **changes)


def _refusal(score: float, asked: Asked, guarantee: Guarantee | None = None) -> str | None:
    return refusal(PROMISED, guarantee or _guarantee(), Candidate(0.99, score), asked)


def test_score_at_the_threshold_is_answered_here() -> None:
    assert _refusal(0.8, Asked(1.0)) is None
    assert _refusal(0.79, Asked(1.0)) == "below the threshold"


@pytest.mark.parametrize(
    ("asked", "alpha"),
    [(None, 0.05), (0.9, 0.05), (0.05, 0.05), (0.03, 0.02), (0.02, 0.02), (0.001, None)],
)
def test_client_is_clamped_to_the_next_stricter_level(
    asked: float | None, alpha: float | None
) -> None:
    level = level_for(_guarantee(), asked)
    assert (level.alpha if level else None) == alpha


def test_stricter_wish_has_a_stricter_threshold() -> None:
    assert _refusal(0.9, Asked(1.0, max_error=0.03)) == "below the threshold"
    assert _refusal(0.96, Asked(1.0, max_error=0.03)) is None
    assert _refusal(0.99, Asked(1.0, max_error=0.01)) == "no guarantee as strict as asked"
    assert _refusal(0.99, Asked(1.0, max_error=0.001)) == "no guarantee as strict as asked"


def test_expired_guarantee_answers_nothing_even_before_anyone_noticed() -> None:
    assert _refusal(0.99, Asked(100.0)) == "the guarantee has expired"


def test_stratum_with_few_or_no_audit_rows_goes_up() -> None:
    assert _refusal(0.99, Asked(1.0, strata=("language=en", "region=eu"))) is None
    assert "language=fr" in (_refusal(0.99, Asked(1.0, strata=("language=fr",))) or "")
    assert "language=ko" in (_refusal(0.99, Asked(1.0, strata=("language=ko",))) or "")


def test_margin_of_this_processor_raises_the_threshold() -> None:
    found = Candidate(0.99, 0.81, margin=0.02)
    assert refusal(PROMISED, _guarantee(), found, Asked(1.0)) == "below the threshold"


@pytest.mark.parametrize(
    ("guarantee", "said"),
    [
        (None, "no guarantee has been granted yet"),
        (_guarantee(), None),
        (_guarantee(bundle="other"), "another version"),
        (_guarantee(encoder="other"), "another version"),
        *[
            (_guarantee(state=state), said)
            for state, said in (
                ("suspended", "suspended"),
                ("expired", "expired"),
                ("none", "infeasible"),
            )
        ],
    ],
)
def test_standing_of_a_task(guarantee: Guarantee | None, said: str | None) -> None:
    found = standing(PROMISED, BUNDLE, guarantee)
    assert (found is None) == (said is None)
    assert said is None or said in (found or "")


def test_a_guarantee_for_static_embeddings_first_holds_only_where_they_look() -> None:
    plain = BUNDLE.head
    metrics = StaticMetrics(0.9, 0.7, 0.9, 0.9)
    head = StaticHead("table", plain.weights, plain.bias, plain.calibration, 0.9, metrics)
    paired, bundle = _guarantee(static_from=0.9), replace(BUNDLE, static=head)
    assert standing(PROMISED, bundle, paired, "table") is None
    for task, has, table in (
        (replace(PROMISED, static_first=False), bundle, "table"),
        (PROMISED, BUNDLE, "table"),
        (PROMISED, bundle, "another"),
        (PROMISED, bundle, None),
    ):
        assert "static embeddings first" in (standing(task, has, paired, table) or "")
        assert standing(task, has, _guarantee(), table) is None


def test_unguaranteed_threshold_looks_at_confidence_and_promises_nothing() -> None:
    task = Task("t", "t", threshold=0.9, unguaranteed=True)
    assert standing(task, BUNDLE, None) is None
    assert refusal(task, None, Candidate(0.9, 0.1), Asked(1.0)) is None
    assert refusal(task, None, Candidate(0.8, 0.99), Asked(1.0)) == "below the threshold"
    asked = Asked(1.0, max_error=0.5)
    assert refusal(task, None, Candidate(0.99, 0.99), asked) == "no guarantee as strict as asked"


def test_task_with_neither_serves_nothing() -> None:
    assert standing(Task("t", "t"), BUNDLE, None) is not None
