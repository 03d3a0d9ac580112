"""What the command line says over the configuration."""

from pathlib import Path

import pytest

from tidegate.cli.configured import Overrides, configured
from tidegate.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / "tidegate.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "option", "workers"),
    [
        ("{}", None, 1),
        ("workers: 3", None, 3),
        ("workers: auto", None, None),
        ("workers: 3", "2", 2),
        ("workers: 3", "auto", None),
    ],
)
def test_the_option_goes_before_the_file(
    tmp_path: Path, text: str, option: str | None, workers: int | None
) -> None:
    read = configured(written(tmp_path, text), Overrides(workers=option))

    assert read().workers == workers


@pytest.mark.parametrize("option", ["0", "-1", "65", "two", "²", ""])
def test_a_number_that_cannot_be_is_told_with_the_range(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=r"--workers .*1 to 64, or `auto`"):
        configured(written(tmp_path, "{}"), Overrides(workers=option))()


@pytest.mark.parametrize("value", ["0", "65", "many", "1.5"])
def test_so_is_one_in_the_file(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="workers"):
        configured(written(tmp_path, f"workers: {value}"), Overrides())()
