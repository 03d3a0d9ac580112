from tests.records import a_record
from tidegate.ledger.rollup import against_central, totals
from tidegate.ports.records import Total


def test_records_are_summed_by_group_the_largest_first() -> None:
    records = [
        a_record(source="local", status=503, duration_s=0.1, cost_micro_usd=0),
        a_record(source="upstream", duration_s=0.3),
        a_record(source="upstream", duration_s=0.2, usage_is_estimated=True),
        a_record(source=None),
    ]
    found = totals(records, lambda record: record.source)
    assert found == (
        Total("upstream", 2, 0, 200, 40, 100, 1, 0.2, 0.3),
        Total("-", 1, 0, 100, 20, 50, 0, 0.25, 0.25),
        Total("local", 1, 1, 100, 20, 0, 0, 0.1, 0.1),
    )


def test_nothing_sums_to_nothing() -> None:
    assert totals([], lambda record: record.source) == ()


def test_the_comparison_leaves_out_what_has_no_central_price() -> None:
    found = against_central(
        [
            a_record(cost_micro_usd=0, central_cost_micro_usd=300),
            a_record(cost_micro_usd=100, central_cost_micro_usd=100, cost_is_estimated=True),
            a_record(cost_micro_usd=7, central_cost_micro_usd=None),
        ]
    )
    assert (found.requests, found.not_compared) == (2, 1)
    assert (found.cost_micro_usd, found.central_cost_micro_usd) == (100, 400)
    assert found.saved_share == 0.75
    assert found.is_estimated


def test_a_central_cost_of_zero_has_no_saved_share() -> None:
    assert against_central([]).saved_share is None
