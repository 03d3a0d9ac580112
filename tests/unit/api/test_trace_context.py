import pytest

from tidegate.api.trace_context import read_tracestate

FULL = ",".join(f"v{number}=x" for number in range(32))


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
        (["rojo=00f067aa0ba902b7 , 1a@cloud=~ !"], "rojo=00f067aa0ba902b7,1a@cloud=~ !"),
        (["a=1", "b=2"], "a=1,b=2"),
        (["a=1,", "\t,b=2"], "a=1,b=2"),
        ([FULL], FULL),
    ],
)
def test_members_are_kept_in_their_order(lines: list[str], kept: str) -> None:
    assert read_tracestate(lines) == kept


@pytest.mark.parametrize(
    "value",
    ["", ",", "a", "a=", "=1", "A=1", "a=1=2", "a=\xe9", "a=1\r\nx: y", "a=1,b", "a=" + "x" * 257],
)
def test_a_list_with_a_malformed_member_is_none(value: str) -> None:
    assert read_tracestate([value]) is None


def test_a_list_beyond_its_bounds_is_none() -> None:
    assert read_tracestate([FULL + ",one=more"]) is None
    assert read_tracestate([",".join(f"v{number}={'x' * 250}" for number in range(9))]) is None
