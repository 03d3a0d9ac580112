"""What turns texts into vectors."""

from collections.abc import Sequence
from typing import Protocol

from tidegate.domain.encoding import Encoding, StaticEncoding, Wants


class Encoder(Protocol):
    """Turns a text into a vector, in this process."""

    @property
    def name(self) -> str:
        """The model's own name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash over weights, precision, tokenizer and pooling; vectors of others never mix."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of the vector."""
        ...

    @property
    def allowed_dimensions(self) -> Sequence[int]:
        """Lengths to which a vector may be cut."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of one window."""
        ...

    @property
    def most_windows(self) -> int:
        """Windows that a long text may take; what is beyond them is cut and said to be."""
        ...

    @property
    def threads(self) -> int:
        """Texts that are encoded at the same time."""
        ...

    async def encode(
        self, text: str, deadline: float | None = None, *, wants: Wants = "vector"
    ) -> Encoding:
        """Encode one text; `deadline` is monotonic seconds.

        Raises EngineOverloaded when too many wait, DeadlineExceeded when the turn came too late,
        InvalidRequest for a text that is not valid Unicode.
        """
        ...


class StaticTable(Protocol):
    """Turns a short text into a vector without a model, in microseconds, on the event loop."""

    @property
    def name(self) -> str:
        """The table's own name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash over table and tokenizer; vectors of others never mix."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of the vector."""
        ...

    def embed(self, text: str) -> StaticEncoding | None:
        """Give the vector, of length 1; None for a text that the encoder has to look at."""
        ...
