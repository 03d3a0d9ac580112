"""Kinds of values that several settings share."""

from typing import Annotated

from msgspec import Meta

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        extra={"form": "letters, digits, `.`, `_` and `-`, not beginning with a sign"},
    ),
]
"""A name that is safe in a path, a header and a metric."""

Text = Annotated[str, Meta(min_length=1)]
"""Any text but the empty one."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
"""A TCP port; 0 lets the system choose."""
