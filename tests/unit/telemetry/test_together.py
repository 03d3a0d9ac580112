import msgspec
import pytest

from tests.records import a_record
from tidegate.domain.metric import Family
from tidegate.gateway.meter import Meter
from tidegate.telemetry.together import together


def process(*sources: str, generation: int = 1) -> list[Family]:
    meter = Meter()
    for source in sources:
        meter.observe(a_record(source=source))
    meter.gauge("tidegate_in_flight", "", lambda: 2)
    meter.gauge("tidegate_generation", "", lambda: generation, together="max")
    return meter.families()


def test_processes_add_up_to_what_one_would_have_counted() -> None:
    both = together([process("upstream", "local"), process("upstream")])
    one = process("upstream", "local", "upstream")
    counted = {family.name: family for family in both}
    for family in one:
        if family.kind != "gauge":
            found = {point.labels: point for point in counted[family.name].points}
            assert {*found} == {point.labels for point in family.points}
            for point in family.points:
                assert found[point.labels].value == pytest.approx(point.value)
                assert found[point.labels].counts == point.counts


def test_gauges_add_up_or_take_the_maximum() -> None:
    both = together([process(generation=3), process(generation=2)])
    values = {family.name: family.points[0].value for family in both if family.kind == "gauge"}
    assert values == {"tidegate_in_flight": 4, "tidegate_generation": 3}


def test_families_travel_as_plain_values() -> None:
    families = process("upstream", "local")
    sent = msgspec.msgpack.encode(families)
    assert together([msgspec.msgpack.decode(sent, type=list[Family])]) == families


def test_a_process_that_counts_otherwise_is_left_out() -> None:
    meter = Meter()
    meter.histogram("one", "", (1.0, 2.0))(1.5)
    other = Meter()
    other.histogram("one", "", (1.0, 3.0))(1.5)
    merged = together([meter.families(), other.families()])
    [family] = [one for one in merged if one.name == "one"]
    assert (family.bounds, family.points[0].counts) == ((1.0, 2.0), (0, 1, 0))
