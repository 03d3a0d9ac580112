import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.answer import Usage
from tidegate.domain.price import Cost, Price
from tidegate.domain.price_table import PriceTable, Tariff
from tidegate.ledger.cost import Quote, cost, estimate_usage, quote

CHEAP = Tariff(Price(100_000, 500_000, 10_000))
DEAR = Tariff(Price(5_000_000, 25_000_000), above=((100_000, Price(9_000_000, 20_000_000)),))
TABLE = PriceTable("2026-11-22", {"cheap": CHEAP, "acme/dear": DEAR, "bare": CHEAP})

counts = st.integers(min_value=0, max_value=10**9)
prices = st.builds(Price, counts, counts, st.none() | counts)


@pytest.mark.parametrize(
    ("names", "tariff"),
    [
        (["cheap"], CHEAP),
        (["unknown", "cheap"], CHEAP),
        (["acme/dear"], DEAR),
        (["openai/bare"], CHEAP),
        (["mock/bare"], CHEAP),
        (["cheap-2026-01-31", "acme/dear"], DEAR),
    ],
)
def test_a_model_is_found_by_its_name_with_or_without_provider(
    names: list[str], tariff: Tariff
) -> None:
    assert quote(TABLE, tuple(names)) == Quote(tariff, is_known=True)


@pytest.mark.parametrize("name", ["cheap-2026-01-31", "openai/cheap-20260131"])
def test_a_snapshot_takes_the_price_of_its_alias_as_an_estimate(name: str) -> None:
    assert quote(TABLE, (name,)) == Quote(CHEAP, is_known=False)


@pytest.mark.parametrize("names", [[], ["nobody"], [""], ["che"]])
def test_an_unknown_model_costs_as_much_as_the_dearest(names: list[str]) -> None:
    found = quote(TABLE, tuple(names))
    assert found == Quote(Tariff(Price(9_000_000, 25_000_000)), is_known=False)
    assert cost(Usage(10, 0), found) == Cost(90, is_estimated=True)


def test_the_dearest_of_an_empty_table_is_nothing() -> None:
    assert PriceTable("", {}).dearest == Price(0, 0)


def test_cached_input_has_its_own_price() -> None:
    assert cost(Usage(1_000_000, 0, 400_000), Quote(CHEAP, is_known=True)) == Cost(64_000)


def test_without_a_cached_price_cached_input_costs_like_any_other() -> None:
    quoted = Quote(Tariff(Price(1_000_000, 0)), is_known=True)
    assert cost(Usage(100, 0, 100), quoted) == Cost(100)


def test_a_longer_prompt_takes_the_price_of_its_step_for_the_whole_request() -> None:
    quoted = Quote(DEAR, is_known=True)
    assert cost(Usage(100_000, 0), quoted).micro_usd == 500_000
    assert cost(Usage(100_001, 1), quoted).micro_usd == 900_009 + 20


def test_decisions_take_their_own_price_where_there_is_one() -> None:
    quoted = Quote(Tariff(Price(9, 9), decisions=Price(1_000_000, 0)), is_known=True)
    assert cost(Usage(5, 1000), quoted, "decisions").micro_usd == 5


def test_the_smallest_part_of_a_micro_dollar_is_rounded_up() -> None:
    assert cost(Usage(1, 0), Quote(Tariff(Price(1, 0)), is_known=True)) == Cost(1)


def test_an_explicit_zero_costs_nothing_and_is_no_estimate() -> None:
    quoted = Quote(Tariff(Price(0, 0)), is_known=True)
    assert cost(Usage(10**6, 10**6), quoted) == Cost(0)


def test_estimated_usage_marks_the_cost() -> None:
    assert cost(estimate_usage(4, 4), Quote(CHEAP, is_known=True)).is_estimated


def test_more_cached_than_input_is_taken_as_all_cached() -> None:
    assert cost(Usage(100, 0, 10**6), Quote(CHEAP, is_known=True)).micro_usd == 1


@given(prices, counts, counts, counts)
def test_a_cost_is_a_whole_number_that_grows_with_the_output(
    price: Price, given_tokens: int, output: int, more: int
) -> None:
    quoted = Quote(Tariff(price), is_known=True)
    low = cost(Usage(given_tokens, output), quoted).micro_usd
    high = cost(Usage(given_tokens, output + more), quoted).micro_usd
    assert isinstance(low, int)
    assert 0 <= low <= high


@given(prices, counts, counts, counts)
def test_a_split_request_never_costs_less_than_the_whole(
    price: Price, one: int, two: int, output: int
) -> None:
    quoted = Quote(Tariff(price), is_known=True)
    whole = cost(Usage(one + two, output), quoted).micro_usd
    parts = cost(Usage(one, output), quoted).micro_usd + cost(Usage(two, 0), quoted).micro_usd
    assert whole <= parts <= whole + 1


def test_a_guess_is_high_flagged_and_never_zero() -> None:
    assert estimate_usage(0, 0) == Usage(1, 0, is_estimated=True)
    assert estimate_usage(400, 1000) == Usage(400, 500, is_estimated=True)
    assert estimate_usage(400, 1000, max_tokens=16).output_tokens == 16
    assert estimate_usage(400, 1).output_tokens == 1
