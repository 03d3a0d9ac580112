"""When the upstream's own noise is named beside a reason."""

import pytest

from tidegate.domain.guarantee import Infeasible, NoiseFloor
from tidegate.learning.feasibility import with_floor

WHY = Infeasible("too few rows", None, 0.5, None, None)


@pytest.mark.parametrize(
    ("pairs", "disagreements", "said"),
    [
        (150, 9, "is near or above that"),
        (150, 5, "may be as large as that"),
        (30, 2, "is near or above that"),
    ],
)
def test_noise_that_may_be_the_reason_is_named(pairs: int, disagreements: int, said: str) -> None:
    found = with_floor(WHY, NoiseFloor(pairs, disagreements), 0.02)
    assert found.reason.startswith("too few rows; the upstream's noise floor " + said)
    assert f"of {pairs} pairs" in found.reason


@pytest.mark.parametrize(
    "noise", [None, NoiseFloor(0, 0), NoiseFloor(99, 1), NoiseFloor(200, 0), NoiseFloor(2000, 40)]
)
def test_noise_that_is_too_small_or_hardly_known_is_not(noise: NoiseFloor | None) -> None:
    assert with_floor(WHY, noise, 0.02) == WHY


def test_it_is_named_once() -> None:
    named = with_floor(WHY, NoiseFloor(150, 9), 0.02)
    assert with_floor(named, NoiseFloor(150, 9), 0.02) == named
