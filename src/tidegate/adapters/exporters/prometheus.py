"""Metric families as the text that Prometheus scrapes."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tidegate.domain.metric import Family, Point

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(families: Sequence[Family], others: Sequence[Collector] = ()) -> bytes:
    """Give the text of all families, and of `others` that bring their own, such as the process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    for other in others:
        registry.register(other)
    return generate_latest(registry)


def process_metrics() -> Collector:
    """Give what the system knows of this process: CPU seconds, memory, open files, start."""
    return ProcessCollector(registry=None)


class _Families(Collector):
    """The families as `prometheus_client` wants them."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: the registry lives for one scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        return [_metric(family) for family in self._families]


def _metric(family: Family) -> Metric:
    match family.kind:
        case "counter":
            counter = CounterMetricFamily(family.name, family.text, labels=family.labels)
            for point in family.points:
                counter.add_metric(point.labels, point.value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(family.name, family.text, labels=family.labels)
            for point in family.points:
                gauge.add_metric(point.labels, point.value)
            return gauge
        case "histogram":
            histogram = HistogramMetricFamily(family.name, family.text, labels=family.labels)
            for point in family.points:
                histogram.add_metric(point.labels, _cumulative(family, point), point.value)
            return histogram
        case "summary":
            summary = SummaryMetricFamily(family.name, family.text, labels=family.labels)
            for point in family.points:
                summary.add_metric(point.labels, int(point.counts[0]), point.value)
            return summary


def _cumulative(family: Family, point: Point) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in family.bounds), "+Inf"]
    return list(zip(bounds, accumulate(point.counts), strict=True))
