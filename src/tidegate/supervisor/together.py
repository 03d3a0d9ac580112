"""Metrics of several processes as those of one. Pure.

Counters, histograms and summaries add up; a gauge adds up or takes the largest, as its family says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tidegate.domain.metric import Family, Point, Together


def together(snapshots: Iterable[Sequence[Family]]) -> list[Family]:
    """Join snapshots; families keep the order in which they are first met."""
    joined: dict[str, tuple[Family, dict[tuple[str, ...], Point]]] = {}
    for snapshot in snapshots:
        for family in snapshot:
            first, points = joined.setdefault(family.name, (family, {}))
            if (family.labels, family.bounds) != (first.labels, first.bounds):
                # Two releases side by side for a moment: the one that was met first is shown.
                continue
            for point in family.points:
                known = points.get(point.labels)
                points[point.labels] = (
                    point if known is None else _joined(known, point, family.together)
                )
    return [replace(family, points=list(points.values())) for family, points in joined.values()]


def lasting(snapshot: Sequence[Family]) -> list[Family]:
    """Give what must outlive a process, so that no counter goes backwards: all but gauges."""
    return [family for family in snapshot if family.kind != "gauge"]


def _joined(one: Point, other: Point, how: Together) -> Point:
    if how == "max":
        return Point(one.labels, max(one.value, other.value))
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Point(one.labels, one.value + other.value, counts)
