"""The next tier: another Tidegate, told how much time is left and for whom it answers."""

from collections.abc import Sequence
from typing import assert_never

from tidegate.adapters.conversations import Conversations, ConversationStream
from tidegate.adapters.exchange import Exchange
from tidegate.adapters.openai_exchange import OpenAIExchange
from tidegate.adapters.personal_data import address_header, withheld_fields
from tidegate.adapters.token_counts import counted
from tidegate.adapters.trace_headers import trace_headers
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.answer import Answer
from tidegate.domain.request import Dialect
from tidegate.domain.secret import Secret
from tidegate.domain.zone import Place
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.native import NATIVE

_MILLISECONDS = 1000


class Settings(
    UpstreamSettings,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="tidegate",
):
    """Another Tidegate node; `api_key` is a key of that node with role `node`."""


class NextTier:
    """Implements `ports.Upstream`."""

    def __init__(
        self, settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._exchange = Exchange(settings, http, clock)
        self._openai = OpenAIExchange(self._exchange, http, clock)
        # It takes every dialect and crosses further on, where the model is.
        self._conversations = Conversations(self._exchange, native=NATIVE, spoken="openai")
        self._headers = {"content-type": "application/json"}
        if secret is not None and settings.credentials == "operator":
            self._headers["authorization"] = f"Bearer {secret.reveal()}"

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
        headers = self._headers_for(call)
        drop = withheld_fields(call.forward)
        match call.surface:
            case "chat":
                return await self._conversations.whole(call, headers, drop)
            case "embeddings":
                return await self._openai.embeddings(call, headers, drop)
            case "decisions":
                return await self._openai.decisions(call, headers, drop)
            case _:
                assert_never(call.surface)

    async def stream(self, call: UpstreamCall) -> ConversationStream:
        """Open a streamed chat answer."""
        return await self._conversations.stream(
            call, self._headers_for(call), withheld_fields(call.forward)
        )

    async def count_tokens(self, call: UpstreamCall) -> Answer | None:
        """Have the other node count the tokens of a conversation."""
        return await counted(
            self._exchange, call, self._headers_for(call), withheld_fields(call.forward)
        )

    async def models(self, deadline: float) -> Sequence[str]:
        """List the models that the other node answers to this key."""
        headers = {**self._headers, "x-request-timeout-ms": self._time_left(deadline)}
        return await self._openai.models(headers, deadline)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _headers_for(self, call: UpstreamCall) -> dict[str, str]:
        """Say who is asking and how long there is; the other node believes it of role `node`."""
        headers = {
            **self._headers,
            **address_header(call),
            **trace_headers(call),
            "x-request-timeout-ms": self._time_left(call.deadline),
            "x-tidegate-tenant": call.tenant,
            "x-request-id": call.request_id,
        }
        if self._settings.credentials == "passthrough" and call.credential is not None:
            headers["authorization"] = f"Bearer {call.credential}"
        return headers

    def _time_left(self, deadline: float) -> str:
        left_s = deadline - self._clock.monotonic()
        return str(max(1, int(left_s * _MILLISECONDS)))


def build(settings: Settings, *, secret: Secret | None, http: Http, clock: Clock) -> NextTier:
    """Make the adapter; nothing is opened."""
    return NextTier(settings, secret=secret, http=http, clock=clock)
