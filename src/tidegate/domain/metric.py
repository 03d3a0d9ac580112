"""Metrics as plain values: what a node has counted, ready to be added up, sent or rendered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "summary"]
Together = Literal["sum", "max"]
"""What several processes of one node give together: gauges that name a state take the maximum."""


@dataclass(frozen=True, slots=True)
class Point:
    """One series of a family; `labels` are the values, in the order of the family's names.

    `value` is that of a counter or gauge, the sum of a histogram or summary. `counts` holds, for a
    histogram, how many observations fell into each bucket (not cumulative, the last one open), for
    a summary how many there were.
    """

    labels: tuple[str, ...]
    value: float
    counts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its series. A counter's `name` stands without `_total`."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...]
    points: Sequence[Point]
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, inclusive, without the open one."""
    together: Together = "sum"
