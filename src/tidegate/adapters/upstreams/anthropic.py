"""Anthropic's Messages API: relayed to clients that speak it, translated for all others."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, assert_never
from urllib.parse import quote

from msgspec import Meta
from msgspec.structs import replace

from tidegate.adapters.conversations import Conversations, ConversationStream
from tidegate.adapters.decisions_by_chat import decided
from tidegate.adapters.exchange import Exchange
from tidegate.adapters.personal_data import withheld_fields
from tidegate.adapters.token_counts import counted
from tidegate.adapters.trace_headers import trace_headers
from tidegate.adapters.upstream_answers import ANSWER_LIMIT_BYTES
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.answer import Answer
from tidegate.domain.request import Dialect
from tidegate.domain.secret import Secret
from tidegate.domain.zone import Place
from tidegate.errors import (
    MalformedAnswer,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
)
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.decisions_chat import chat_request
from tidegate.wire.failures import error_body
from tidegate.wire.model_listing import read_model_listing

_NOT_OFFERED = 404
_MODEL_PAGE = 1000
_MOST_PAGES = 20

_NATIVE: frozenset[Dialect] = frozenset({"anthropic"})
"""What it speaks itself; conversations in other dialects are crossed."""


class Settings(
    UpstreamSettings,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="anthropic",
):
    """A server that speaks Anthropic's Messages API; `base_url` ends in `/v1`."""

    version: Annotated[
        str,
        Meta(
            pattern=r"^\d{4}-\d{2}-\d{2}$",
            description="Value of the header `anthropic-version`. Default 2023-06-01, the one"
            " that all current models take.",
        ),
    ] = "2023-06-01"
    max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            description="Tokens to allow for an answer when the client names no limit, which this"
            " dialect demands; cut to what the model can give. Default 16384: longer than nearly"
            " every answer, and bounded in cost.",
        ),
    ] = 16_384
    agreement: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="Typed decisions are put to it as one chat call: the probability given to"
            " the option it reports. Default 0.5, until its agreement has been measured.",
        ),
    ] = 0.5


class Anthropic:
    """Implements `ports.Upstream`."""

    def __init__(
        self, settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._exchange = Exchange(settings, http, clock)
        self._conversations = Conversations(
            self._exchange,
            native=_NATIVE,
            spoken="anthropic",
            default_max_tokens=settings.max_tokens,
        )
        self._headers = {
            "content-type": "application/json",
            "anthropic-version": settings.version,
        }
        if secret is not None and settings.credentials == "operator":
            self._headers["x-api-key"] = secret.reveal()

    @property
    def name(self) -> str:
        """The configured name."""
        return self._settings.name

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self._settings.place

    @property
    def native(self) -> frozenset[Dialect]:
        """Dialects of conversations that it speaks itself."""
        return self._conversations.native

    async def open(self) -> None:
        """Build the HTTP client; no call is made."""
        await self._http.open()

    async def call(self, call: UpstreamCall) -> Answer:
        """Make one call for a whole answer."""
        match call.surface:
            case "chat":
                return await self._converse(call)
            case "decisions":
                # This API tells no probabilities of tokens.
                body = chat_request(call.body, model=call.model, logprobs=False)
                chat = await self._converse(replace(call, body=body, dialect="openai"))
                return decided(call, chat, upstream=self.name, agreement=self._settings.agreement)
            case "embeddings":
                message = f"Upstream `{self.name}` offers no embeddings."
                raise UpstreamStatus(
                    self.name,
                    _NOT_OFFERED,
                    body=error_body(message, type="invalid_request_error"),
                )
            case _:
                assert_never(call.surface)

    async def stream(self, call: UpstreamCall) -> ConversationStream:
        """Open a streamed chat answer."""
        return await self._conversations.stream(
            call, self._headers_for(call), withheld_fields(call.forward)
        )

    async def count_tokens(self, call: UpstreamCall) -> Answer | None:
        """Have the server count the tokens of a conversation."""
        return await counted(
            self._exchange, call, self._headers_for(call), withheld_fields(call.forward)
        )

    async def models(self, deadline: float) -> Sequence[str]:
        """List the models that the server says it has."""
        left_s = max(0.0, deadline - self._clock.monotonic())
        names: list[str] = []
        page = f"/models?limit={_MODEL_PAGE}"
        try:
            async with asyncio.timeout(left_s):
                for _ in range(_MOST_PAGES):
                    answer = await self._http.request("GET", page, headers=self._headers)
                    await self._exchange.accept(answer)
                    listing = read_model_listing(await answer.read(ANSWER_LIMIT_BYTES))
                    names += [model.id for model in listing.data]
                    if listing.next_page is None:
                        break
                    page = f"/models?limit={_MODEL_PAGE}&after_id={quote(listing.next_page)}"
        except TimeoutError as error:
            raise UpstreamTimeout(self.name, "total", left_s) from error
        except MalformedAnswer as error:
            raise UpstreamMalformed(self.name, str(error)) from error
        return names

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _converse(self, call: UpstreamCall) -> Answer:
        return await self._conversations.whole(
            call, self._headers_for(call), withheld_fields(call.forward)
        )

    def _headers_for(self, call: UpstreamCall) -> dict[str, str]:
        headers = {**self._headers, **trace_headers(call)}
        if self._settings.credentials == "passthrough" and call.credential is not None:
            headers["x-api-key"] = call.credential
        return headers


def build(settings: Settings, *, secret: Secret | None, http: Http, clock: Clock) -> Anthropic:
    """Make the adapter; nothing is opened."""
    return Anthropic(settings, secret=secret, http=http, clock=clock)
