"""Prices of models as values: what a price file says, ready to be looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.domain.price import Price


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one model: the plain one, and those of longer prompts."""

    price: Price
    above: tuple[tuple[int, Price], ...] = ()
    """(input tokens, price): holds for the whole request when its input is longer; ascending."""
    decisions: Price | None = None
    """On the decisions surface, where that has a price of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceTable:
    """All known prices; `dated` is the day (ISO) on which they were read from their sources.

    Compared by identity, so that what was found in it can be kept.
    """

    dated: str
    tariffs: Mapping[str, Tariff]
    dearest: Price = field(init=False)
    """The highest input and the highest output price of all, as one: for unknown models."""

    def __post_init__(self) -> None:
        """Find the dearest price once; every request of an unknown model asks for it."""
        prices = [
            price
            for tariff in self.tariffs.values()
            for price in (tariff.price, *(step for _, step in tariff.above))
        ]
        dearest = Price(
            input_per_million=max((price.input_per_million for price in prices), default=0),
            output_per_million=max((price.output_per_million for price in prices), default=0),
        )
        object.__setattr__(self, "dearest", dearest)
