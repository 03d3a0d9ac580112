"""What a crossing gives for a whole answer."""

import msgspec

from tidegate.domain.answer import Usage


class Crossed(msgspec.Struct, frozen=True):
    """A whole answer in the client's dialect."""

    body: bytes
    model: str
    """As the upstream names it; empty when it does not."""
    usage: Usage | None
