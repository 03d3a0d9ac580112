"""Metrics of several processes read like those of one."""

from collections.abc import Sequence

from tidegate.domain.metric import Family, Kind, Point, Together
from tidegate.supervisor.together import lasting, together


def family(
    *points: Point,
    kind: Kind = "counter",
    bounds: tuple[float, ...] = (),
    how: Together = "sum",
    name: str = "requests",
) -> Family:
    return Family(name, kind, "Text.", ("surface",), points, bounds, how)


def values(families: Sequence[Family]) -> dict[tuple[str, ...], float]:
    (only,) = families
    return {point.labels: point.value for point in only.points}


def test_counters_add_up_series_by_series() -> None:
    one = family(Point(("chat",), 2.0), Point(("embeddings",), 1.0))
    other = family(Point(("chat",), 3.0))

    assert values(together([[one], [other]])) == {("chat",): 5.0, ("embeddings",): 1.0}


def test_histograms_add_up_bucket_by_bucket() -> None:
    one = family(Point(("chat",), 0.5, (1.0, 2.0)), kind="histogram", bounds=(0.1,))
    other = family(Point(("chat",), 1.5, (3.0, 4.0)), kind="histogram", bounds=(0.1,))

    (joined,) = together([[one], [other]])

    assert joined.points == [Point(("chat",), 2.0, (4.0, 6.0))]


def test_a_gauge_that_names_a_state_takes_the_largest() -> None:
    one = family(Point(("",), 7.0), kind="gauge", how="max")
    other = family(Point(("",), 5.0), kind="gauge", how="max")

    assert values(together([[one], [other]])) == {("",): 7.0}


def test_buckets_that_differ_are_not_mixed() -> None:
    one = family(Point(("chat",), 0.5, (1.0, 2.0)), kind="histogram", bounds=(0.1,))
    other = family(Point(("chat",), 1.5, (3.0,)), kind="histogram", bounds=())

    assert values(together([[one], [other]])) == {("chat",): 0.5}


def test_only_gauges_end_with_their_process() -> None:
    kinds: tuple[Kind, ...] = ("counter", "gauge", "histogram", "summary")
    kept = lasting([family(kind=kind, name=kind) for kind in kinds])

    assert [one.name for one in kept] == ["counter", "histogram", "summary"]


def test_counts_of_a_worker_that_ended_stay() -> None:
    departed = together([[], lasting([family(Point(("chat",), 2.0))])])
    replaced = family(Point(("chat",), 1.0))

    assert values(together([[replaced], departed])) == {("chat",): 3.0}
