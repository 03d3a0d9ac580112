"""The metrics of all workers as those of one node, kept beyond the end of each worker."""

from collections.abc import Sequence

from tidegate.domain.metric import Family, Point
from tidegate.supervisor.member import Member
from tidegate.telemetry.together import together


class Counts:
    """Adds up what workers report; a worker that ended keeps counting in what it had counted."""

    def __init__(self) -> None:
        self._departed: list[Family] = []

    def depart(self, member: Member) -> None:
        """Keep what a worker had counted when it last reported."""
        if member.report is not None:
            lasting = [one for one in member.report.families if one.kind != "gauge"]
            self._departed = together([self._departed, lasting])

    def families(self, members: Sequence[Member]) -> list[Family]:
        """Give everything, with what only the supervisor knows."""
        reports = [one.report for one in members if one.report is not None]
        joined = together([*(report.families for report in reports), self._departed])
        return [*joined, *_own(members)]


def _own(members: Sequence[Member]) -> list[Family]:
    serving = sum(one.state == "serving" for one in members)
    restarts = sum(max(0, one.starts - 1) for one in members)
    resident = [
        Point((str(one.number),), one.report.resident_bytes)
        for one in members
        if one.report is not None
    ]
    return [
        Family("tidegate_workers", "gauge", "Workers that serve.", (), [Point((), serving)]),
        Family(
            "tidegate_worker_restarts",
            "counter",
            "Workers that were started again.",
            (),
            [Point((), restarts)],
        ),
        Family(
            "tidegate_worker_resident_bytes",
            "gauge",
            "Memory of each worker.",
            ("worker",),
            resident,
        ),
    ]
