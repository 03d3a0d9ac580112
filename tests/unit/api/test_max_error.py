"""The header by which a client asks for less error."""

import pytest

from tidegate.api.arrival import _max_error
from tidegate.errors import InvalidRequest


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("0.01", 0.01), ("0", 0.0), ("1", 1.0), ("1e-2", 0.01)]
)
def test_share_is_read(value: str | None, expected: float | None) -> None:
    assert _max_error(value) == expected


@pytest.mark.parametrize("value", ["", "two", "-0.1", "1.5", "nan", "inf", "2%"])
def test_what_is_no_share_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="give a share from 0 to 1"):
        _max_error(value)
