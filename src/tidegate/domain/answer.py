"""What an engine, an upstream or the cache gave back."""

from typing import Literal

import msgspec

from tidegate.domain.guarantee import Grant

Source = Literal["cache", "local", "upstream"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer; `is_estimated` when nobody counted them and we guessed high."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    is_estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        """Sum, estimated as soon as one part is."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            is_estimated=self.is_estimated or other.is_estimated,
        )


class Answer(msgspec.Struct, frozen=True):
    """A whole answer in the dialect of the request."""

    body: bytes
    model: str
    """The name under which whoever answered knows the model."""
    usage: Usage | None = None
    """None when the answer did not say."""
    lossy: tuple[str, ...] = ()
    """What a translation between dialects could not carry."""
    first_byte_s: float | None = None
    """Seconds from sending the request to the head of the answer, where there was a wire."""
    connect_s: float | None = None
    """Seconds of it that making a connection took; None: there was one."""
    may_store: bool = True
    """False when whoever answered forbade it (`Cache-Control: no-store`)."""
    promised: tuple[Grant, ...] = ()
    """Guarantees under which this node gave parts of it, one entry an answered question."""
