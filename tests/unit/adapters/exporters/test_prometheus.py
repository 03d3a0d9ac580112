from prometheus_client.parser import text_string_to_metric_families

from tests.records import a_record
from tidegate.adapters.exporters.prometheus import process_metrics, render
from tidegate.domain.metric import Family, Point
from tidegate.gateway.meter import Meter


def lines(*families: Family) -> list[str]:
    return render(families).decode().splitlines()


def test_a_counter_ends_in_total() -> None:
    family = Family("a_b", "counter", "Text.", ("x",), [Point(("1",), 2.0)])
    assert lines(family) == [
        "# HELP a_b_total Text.",
        "# TYPE a_b_total counter",
        'a_b_total{x="1"} 2.0',
    ]


def test_buckets_are_cumulative_and_the_last_is_open() -> None:
    family = Family("h", "histogram", "Text.", (), [Point((), 7.5, (1, 0, 2))], (0.5, 1048576.0))
    assert lines(family)[2:] == [
        'h_bucket{le="0.5"} 1.0',
        'h_bucket{le="1048576.0"} 1.0',
        'h_bucket{le="+Inf"} 3.0',
        "h_count 3.0",
        "h_sum 7.5",
    ]


def test_a_summary_has_sum_and_count() -> None:
    family = Family("s", "summary", "Text.", ("p",), [Point(("x",), 0.5, (4,))])
    assert lines(family)[2:] == ['s_count{p="x"} 4.0', 's_sum{p="x"} 0.5']


def test_everything_that_a_meter_counts_is_read_back_by_the_official_parser() -> None:
    meter = Meter()
    meter.observe(a_record(model_asked='a "quoted\nname'))
    meter.refused(401)
    meter.info("node_info", "Text.", zone="eu")
    text = render(meter.families(), (process_metrics(),)).decode()
    found = {family.name for family in text_string_to_metric_families(text)}
    assert {family.name for family in meter.families()} <= found
    assert "process_cpu_seconds" in found
