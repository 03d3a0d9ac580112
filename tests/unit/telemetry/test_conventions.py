import pytest

from tidegate.telemetry import conventions
from tidegate.telemetry.conventions import Instrument, prometheus_label, prometheus_name


@pytest.mark.parametrize(
    ("instrument", "name"),
    [
        (conventions.CLIENT_DURATION, "gen_ai_client_operation_duration_seconds"),
        (conventions.CLIENT_TOKENS, "gen_ai_client_token_usage"),
        (conventions.SERVER_FIRST_TOKEN, "gen_ai_server_time_to_first_token_seconds"),
    ],
)
def test_names_are_derived_as_the_compatibility_specification_says(
    instrument: Instrument, name: str
) -> None:
    assert prometheus_name(instrument) == name


def test_attributes_become_labels() -> None:
    assert prometheus_label("gen_ai.operation.name") == "gen_ai_operation_name"


def test_bounds_are_those_that_the_conventions_recommend() -> None:
    assert conventions.CLIENT_DURATION.bounds == (
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    )
    assert conventions.CLIENT_TOKENS.bounds[-3:] == (4194304, 16777216, 67108864)
