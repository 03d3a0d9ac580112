"""Which version of a bundle is pinned."""

from pathlib import Path

import pytest

from tidegate.adapters.bundles.pins import PinFile
from tidegate.errors import StateError

FIRST, SECOND = "1-0a1b2c3d4e5f", "2-0a1b2c3d4e5f"


def test_a_pin_is_kept_and_tells_what_it_replaced(tmp_path: Path) -> None:
    pins = PinFile(tmp_path / "pins.json")

    assert pins.load() == {}
    assert pins.put("support", FIRST) is None
    assert pins.put("other", FIRST) is None
    assert pins.put("support", SECOND) == FIRST
    assert PinFile(tmp_path / "pins.json").load() == {"support": SECOND, "other": FIRST}
    assert pins.put("support", None) == SECOND
    assert pins.load() == {"other": FIRST}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"a": 1}', '{"../a": "1-0a1b2c3d4e5f"}', '{"a": "x"}']
)
def test_a_damaged_file_is_told_with_the_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pins.json"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(StateError, match=r"damaged.*pin anew"):
        PinFile(path).load()
