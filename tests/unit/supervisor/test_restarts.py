"""When a worker is started again."""

import pytest

from tidegate.supervisor.restarts import FACTOR, FIRST_S, MOST_ENDINGS, WINDOW_S, next_start

NOW = 1000.0


def test_one_ending_is_an_accident_and_costs_no_time() -> None:
    assert next_start([NOW], NOW) == 0.0


@pytest.mark.parametrize("endings", range(2, MOST_ENDINGS + 1))
def test_each_further_ending_waits_longer(endings: int) -> None:
    assert next_start([NOW - 1] * (endings - 1) + [NOW], NOW) == FIRST_S * FACTOR ** (endings - 2)


def test_too_many_within_the_window_are_given_up() -> None:
    assert next_start([NOW - WINDOW_S + 1] * MOST_ENDINGS + [NOW], NOW) is None


def test_what_lies_before_the_window_is_forgotten() -> None:
    assert next_start([NOW - WINDOW_S] * 50 + [NOW], NOW) == 0.0
