"""What the encoder says about one text."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Wants = Literal["vector", "tokens"]
"""What is wanted of a text: its vector; or the state of each token as well."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenStates:
    """The encoder's state of each token that was read, without the special ones."""

    states: NDArray[np.float32]
    """One row a token, read-only."""
    offsets: tuple[tuple[int, int], ...]
    """Where each token begins and ends in the text, in characters."""


@dataclass(frozen=True, slots=True, eq=False)
class StaticEncoding:
    """The static embedding of one text. Personal data where the text is."""

    vector: NDArray[np.float32]
    """One dimension, of length 1, read-only."""
    token_count: int
    """Tokens that were read, the special ones that an encoder adds included."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """The vector of one text. Personal data where the text is: kept and shared like the text."""

    vector: NDArray[np.float32]
    """One dimension, of length 1, read-only. Of a long text the mean over its windows."""
    token_count: int
    """Tokens that were read, each once, the special ones of one window included."""
    is_truncated: bool
    """True when the end of the text was not read."""
    queue_s: float = 0.0
    """Seconds that the text waited for its turn."""
    windows: NDArray[np.float32] | None = None
    """One vector a window, for heads that pool otherwise; None when one window was enough."""
    tokens: TokenStates | None = None
    """When they were wanted."""

    @property
    def window_count(self) -> int:
        """Runs of the encoder that the text took."""
        return 1 if self.windows is None else len(self.windows)
