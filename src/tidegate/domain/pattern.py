"""Patterns that operators write, compiled by RE2: a match takes linear time, whatever the text."""

from typing import Protocol

import re2

from tidegate.errors import ConfigError


class Match(Protocol):
    """Where a pattern and its groups were found."""

    def span(self, group: int = 0, /) -> tuple[int, int]:
        """Give begin and end; -1 for a group that took no part."""
        ...


class Pattern(Protocol):
    """A compiled pattern."""

    groups: int

    def search(self, text: str, /) -> Match | None:
        """Find it anywhere in the text."""
        ...

    def fullmatch(self, text: str, /) -> Match | None:
        """Match all of the text."""
        ...


def compile_pattern(pattern: str, *, called: str) -> Pattern:
    """Compile what the operator wrote; raises ConfigError, which names it as it is `called`."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        # The binding gives the library's own words, as bytes.
        reason = b" ".join(one for one in error.args if isinstance(one, bytes)).decode()
        raise ConfigError(f"the {called} {pattern!r} is not RE2 syntax: {reason}") from error
    return compiled
