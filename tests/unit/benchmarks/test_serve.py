import math

import pytest

from benchmarks.serve import percentile

BUCKETS = [(0.001, 50.0), (0.002, 90.0), (0.004, 100.0), (math.inf, 100.0)]


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, 0.0005), (0.5, 0.001), (0.7, 0.0015), (0.95, 0.003), (1.0, 0.004)],
)
def test_a_percentile_is_interpolated_within_its_bucket(share: float, expected: float) -> None:
    assert percentile(BUCKETS, share) == pytest.approx(expected)


def test_what_lies_beyond_the_last_bound_is_that_bound() -> None:
    assert percentile([(0.001, 1.0), (math.inf, 100.0)], 0.99) == 0.001
