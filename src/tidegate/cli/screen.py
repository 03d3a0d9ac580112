"""Where tables go: a terminal at its width; a pipe or a file at theirs, with nothing left out."""

from rich.console import Console, RenderableType

_WIDE = 1_000
"""Columns of what has no edge; a table takes no more of them than it needs."""


def put(found: RenderableType) -> None:
    """Print to standard output; words in brackets are no markup."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=_WIDE)
    console.print(found, soft_wrap=isinstance(found, str))
