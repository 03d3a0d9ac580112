"""Asks an upstream that speaks Anthropic's dialect to count the tokens of a conversation."""

from collections.abc import Collection, Mapping

from tidegate.adapters.dialect_headers import headers_of_dialect
from tidegate.adapters.exchange import Exchange, relayed
from tidegate.domain.answer import Answer, Usage
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.anthropic_relay import read_token_count
from tidegate.wire.fields import name_model


async def counted(
    exchange: Exchange, call: UpstreamCall, headers: Mapping[str, str], drop: Collection[str]
) -> Answer | None:
    """Relay the request to count; None for a call in another dialect."""
    if call.dialect != "anthropic":
        return None
    sent = {**headers, **headers_of_dialect(call)}
    body = name_model(call.body, call.model, drop)

    def read(content: bytes) -> tuple[str, Usage]:
        return call.model, Usage(read_token_count(content), 0)

    return await exchange.whole(
        "/messages/count_tokens", sent, body, relayed(read), model=call.model
    )
