"""Adds up what several processes of one node have counted, so that a scrape sees one node."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tidegate.domain.metric import Family, Point, Together


def together(processes: Iterable[Sequence[Family]]) -> list[Family]:
    """Give one family for each name; series with the same labels become one."""
    merged: dict[str, Family] = {}
    for process in processes:
        for family in process:
            known = merged.get(family.name)
            merged[family.name] = family if known is None else _both(known, family)
    return list(merged.values())


def _both(one: Family, other: Family) -> Family:
    """Join two families; `other` is left out where its buckets are not those of `one`."""
    if one.bounds != other.bounds or one.labels != other.labels:
        return one
    points = {point.labels: point for point in one.points}
    for point in other.points:
        known = points.get(point.labels)
        points[point.labels] = point if known is None else _joined(known, point, one.together)
    return replace(one, points=list(points.values()))


def _joined(one: Point, other: Point, how: Together) -> Point:
    if how == "max":
        return replace(one, value=max(one.value, other.value))
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Point(one.labels, one.value + other.value, counts)
