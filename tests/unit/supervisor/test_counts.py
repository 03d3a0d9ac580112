"""What all workers have counted, before and after one of them has ended."""

from tidegate.domain.metric import Family, Point
from tidegate.supervisor.counts import Counts
from tidegate.supervisor.member import Member
from tidegate.supervisor.messages import Report


def member(number: int, requests: float, in_flight: float = 0.0) -> Member:
    families = [
        Family("requests", "counter", "Text.", (), [Point((), requests)]),
        Family("in_flight", "gauge", "Text.", (), [Point((), in_flight)]),
    ]
    report = Report(1, 0, 0, 0, 1_000, is_stopping=False, families=families)
    return Member(number, state="serving", starts=1, report=report)


def values(counts: Counts, *members: Member) -> dict[str, float]:
    return {one.name: one.points[0].value for one in counts.families(members) if one.points}


def test_a_counter_keeps_what_a_worker_had_counted_and_a_gauge_does_not() -> None:
    counts, first, second = Counts(), member(0, 5.0, 2.0), member(1, 7.0, 1.0)
    before = values(counts, first, second)
    counts.depart(first)
    gone = values(counts, Member(0, starts=1), second)
    again = values(counts, member(0, 1.0), second)

    assert (before["requests"], before["in_flight"]) == (12.0, 3.0)
    assert (gone["requests"], gone["in_flight"], gone["tidegate_workers"]) == (12.0, 1.0, 1.0)
    assert again["requests"] == 13.0


def test_a_worker_that_never_reported_leaves_nothing() -> None:
    counts = Counts()
    counts.depart(Member(0, starts=1))

    assert "requests" not in values(counts, Member(0, starts=2))
    assert values(counts, Member(0, starts=2))["tidegate_worker_restarts"] == 1.0
