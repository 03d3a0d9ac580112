"""What a request costs: integer micro-USD, rounded up, high where something is not known.

Answers of this node cost 0 by definition and do not come here.
"""

import re
from functools import lru_cache

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.price import Cost, Price
from tidegate.domain.price_table import PriceTable, Tariff
from tidegate.domain.request import Surface

_TOKENS_PER_UNIT = 1_000_000

BYTES_PER_TOKEN = 2
"""Of generated text, in UTF-8: half of the "about 4 bytes" that tiktoken's README gives as the
average, so that code, numbers and other scripts than Latin are not counted low."""
_QUOTES = 512
"""Kept: a name that is not known is looked for in several forms, and few names are in use."""

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class Quote(msgspec.Struct, frozen=True):
    """The tariff for a model; `is_known` is False when it is the dearest of the table instead."""

    tariff: Tariff
    is_known: bool


@lru_cache(maxsize=_QUOTES)
def quote(table: PriceTable, names: tuple[str, ...]) -> Quote:
    """Find the tariff of the first name that is known, else the dearest price there is.

    Give the name at the upstream first, then the one that the answer named. A name is tried as it
    is, without its provider (`provider/model`), and without the date of a snapshot; the last is
    taken as the alias's price but counts as not known, since snapshots may differ.
    """
    for name in names:
        bare = name.rpartition("/")[2]
        for candidate in (name, bare):
            if (tariff := table.tariffs.get(candidate)) is not None:
                return Quote(tariff, is_known=True)
    for name in names:
        alias = _SNAPSHOT.sub("", name.rpartition("/")[2])
        if (tariff := table.tariffs.get(alias)) is not None:
            return Quote(tariff, is_known=False)
    return Quote(Tariff(table.dearest), is_known=False)


def cost(usage: Usage, quoted: Quote, surface: Surface = "chat") -> Cost:
    """Price one answer; estimated when its usage or its price was not known."""
    price = _applicable(quoted.tariff, usage.input_tokens, surface)
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    cached_price = price.cached_input_per_million
    if cached_price is None:
        cached_price = price.input_per_million
    total = (
        (usage.input_tokens - cached) * price.input_per_million
        + cached * cached_price
        + usage.output_tokens * price.output_per_million
    )
    return Cost(
        micro_usd=-(-total // _TOKENS_PER_UNIT),
        is_estimated=usage.is_estimated or not quoted.is_known,
    )


def estimate_usage(
    request_characters: int, text_bytes: int, max_tokens: int | None = None
) -> Usage:
    """Guess the usage that nobody counted, high: a token for each character of the request.

    English has about four characters a token, Chinese about one. `text_bytes` is what was
    generated; `max_tokens` bounds it.
    """
    output = -(-text_bytes // BYTES_PER_TOKEN)
    return Usage(
        input_tokens=max(request_characters, 1),
        output_tokens=output if max_tokens is None else min(output, max_tokens),
        is_estimated=True,
    )


def _applicable(tariff: Tariff, input_tokens: int, surface: Surface) -> Price:
    if surface == "decisions" and tariff.decisions is not None:
        return tariff.decisions
    price = tariff.price
    for step, dearer in tariff.above:
        if input_tokens > step:
            price = dearer
    return price
