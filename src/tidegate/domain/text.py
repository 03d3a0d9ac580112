"""What can be said of a text before anything reads it."""

import re

_SHOWN = re.compile(
    r"[^\s\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
"""A character that is neither white space nor control nor a mark for layout alone."""
_READ = 65_536
"""Characters that are looked at, so that a megabyte of spaces costs no more than a page of them."""


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: an encoder would make a vector of its control tokens alone."""
    return _SHOWN.search(text, 0, _READ) is None
