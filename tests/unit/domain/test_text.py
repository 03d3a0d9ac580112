import pytest

from tidegate.domain.text import is_blank


@pytest.mark.parametrize(
    "text",
    ["", " ", " \n\t\r", "\u00a0\u3000\u2028", "\x00\x01\x7f", "\u202e" * 300, "\ufeff\u200b"],
)
def test_white_space_and_marks_that_show_nothing_are_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["a", " .", "\u202eשל", "😀", "a\x00b", "\u200d👧", "中", "\ud800", "\ue000"]
)
def test_anything_that_shows_is_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_a_megabyte_of_spaces_is_blank_whatever_comes_after() -> None:
    assert is_blank(" " * 1_000_000 + "a")
