"""Any server that speaks the OpenAI dialect; only what must change in a request is changed."""

from collections.abc import Sequence
from typing import Annotated, Literal, assert_never

from msgspec import Meta

from tidegate.adapters.conversations import Conversations, ConversationStream
from tidegate.adapters.exchange import Exchange
from tidegate.adapters.openai_exchange import OpenAIExchange
from tidegate.adapters.personal_data import address_header, withheld_fields
from tidegate.adapters.trace_headers import trace_headers
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.answer import Answer
from tidegate.domain.request import Dialect
from tidegate.domain.secret import Secret
from tidegate.domain.zone import Place
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http, HttpAnswer
from tidegate.ports.passthrough import PassedCall
from tidegate.ports.upstream import UpstreamCall


class Settings(
    UpstreamSettings,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="openai",
):
    """A server that speaks the OpenAI dialect: OpenAI itself, vLLM, llama.cpp, Ollama, others."""

    responses: Annotated[
        Literal["native", "chat"],
        Meta(
            description="How it answers `/v1/responses`: `native` has `POST /responses` itself,"
            " `chat` is asked by a chat call, which loses what the other API alone can say. Default"
            " `chat`: most servers have no other; set it to `native` for OpenAI."
        ),
    ] = "chat"
    completions: Annotated[
        Literal["native", "chat"],
        Meta(
            description="How it answers `/v1/completions`: `native` has `POST /completions`"
            " itself, `chat` is asked by a chat call. Default `native`: most servers have it."
        ),
    ] = "native"
    decisions: Annotated[
        Literal["native", "chat"],
        Meta(
            description="How it answers typed decisions: `native` has `POST /decisions` itself,"
            " `chat` is asked by one structured-output chat call. Default `native`."
        ),
    ] = "native"
    logprobs: Annotated[
        bool,
        Meta(
            description="With `decisions: chat`: ask for the probabilities of tokens. Default"
            " true; set it to false for models that refuse it, as reasoning models do."
        ),
    ] = True
    agreement: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="With `decisions: chat`: the probability given to the option it reports"
            " when it tells none itself. Default 0.5, until its agreement has been measured.",
        ),
    ] = 0.5


class OpenAICompatible:
    """Implements `ports.Upstream`."""

    def __init__(
        self, settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
    ) -> None:
        self._settings = settings
        self._http = http
        exchange = Exchange(settings, http, clock)
        self._exchange = OpenAIExchange(exchange, http, clock)
        self._conversations = Conversations(exchange, native=_native(settings), spoken="openai")
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
                return await self._exchange.embeddings(call, headers, drop)
            case "decisions" if self._settings.decisions == "chat":
                return await self._exchange.decisions_by_chat(
                    call,
                    headers,
                    agreement=self._settings.agreement,
                    logprobs=self._settings.logprobs,
                )
            case "decisions":
                return await self._exchange.decisions(call, headers, drop)
            case _:
                assert_never(call.surface)

    async def stream(self, call: UpstreamCall) -> ConversationStream:
        """Open a streamed chat answer."""
        return await self._conversations.stream(
            call, self._headers_for(call), withheld_fields(call.forward)
        )

    async def pass_on(self, call: PassedCall) -> HttpAnswer:
        """Send a request as it is."""
        headers = {**self._headers, **trace_headers(call)}
        if call.content_type:
            headers["content-type"] = call.content_type
        else:
            del headers["content-type"]
        if self._settings.credentials == "passthrough" and call.credential is not None:
            headers["authorization"] = f"Bearer {call.credential}"
        return await self._http.request(call.method, call.path, headers=headers, body=call.body)

    async def models(self, deadline: float) -> Sequence[str]:
        """List the models that the server says it has."""
        return await self._exchange.models(self._headers, deadline)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _headers_for(self, call: UpstreamCall) -> dict[str, str]:
        headers = {**self._headers, **address_header(call), **trace_headers(call)}
        if self._settings.credentials == "passthrough" and call.credential is not None:
            headers["authorization"] = f"Bearer {call.credential}"
        return headers


def _native(settings: Settings) -> frozenset[Dialect]:
    """Give the dialects that the server speaks itself; conversations in others are crossed."""
    spoken: set[Dialect] = {"openai"}
    if settings.responses == "native":
        spoken.add("responses")
    if settings.completions == "native":
        spoken.add("completions")
    return frozenset(spoken)


def build(
    settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
) -> OpenAICompatible:
    """Make the adapter; nothing is opened."""
    return OpenAICompatible(settings, secret=secret, http=http, clock=clock)
