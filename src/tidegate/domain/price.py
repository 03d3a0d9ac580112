"""What a model costs. Money is integer micro-units of US dollars (1 USD = 1,000,000)."""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Price:
    """Price of one model, in micro-USD per million tokens so that it stays an integer."""

    input_per_million: int
    output_per_million: int
    cached_input_per_million: int | None = None
    """None: cached input costs as much as any other."""


class Cost(msgspec.Struct, frozen=True):
    """What one request cost; `is_estimated` when the price or the usage was not known."""

    micro_usd: int
    is_estimated: bool = False
