import pytest

from tidegate.domain.trace import Delivery
from tidegate.telemetry.delivery import TRIES, Again, Done, GiveUp, next_step


@pytest.mark.parametrize("status", [200, 202])
def test_a_batch_that_was_taken_is_done(status: int) -> None:
    assert next_step(Delivery(status), 1, 0.0) == Done()


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 501])
def test_what_is_for_good_is_not_tried_again(status: int) -> None:
    assert next_step(Delivery(status), 1, 0.0) == GiveUp("refused")


@pytest.mark.parametrize("status", [None, 429, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_growing_pauses(status: int | None) -> None:
    pauses = [next_step(Delivery(status), tries, 0.5) for tries in range(1, TRIES)]
    assert pauses == [Again(1.0), Again(2.0), Again(4.0), Again(8.0)]


def test_pauses_are_spread() -> None:
    assert next_step(Delivery(503), 2, 0.0) == Again(1.0)
    assert next_step(Delivery(503), 2, 0.99) == Again(2.98)


def test_the_collector_s_own_wish_is_honoured_within_bounds() -> None:
    assert next_step(Delivery(429, retry_after_s=30.0), 1, 0.0) == Again(30.0)
    assert next_step(Delivery(429, retry_after_s=1e9), 1, 0.0) == Again(600.0)


def test_after_the_last_try_it_is_said_what_was_wrong() -> None:
    assert next_step(Delivery(None), TRIES, 0.0) == GiveUp("unreachable")
    assert next_step(Delivery(503), TRIES, 0.0) == GiveUp("refused")
