"""A bare embedding server with `POST /embed`, such as text-embeddings-inference."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta
from msgspec.json import encode

from tidegate.adapters.conversations import ConversationStream
from tidegate.adapters.exchange import Exchange
from tidegate.adapters.not_offered import not_offered
from tidegate.adapters.trace_headers import trace_headers
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.answer import Answer
from tidegate.domain.request import Dialect, Embeddings
from tidegate.domain.secret import Secret
from tidegate.domain.zone import Place
from tidegate.errors import UpstreamStatus, UpstreamTimeout
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.crossed import Crossed
from tidegate.wire.embeddings import decode_embeddings
from tidegate.wire.failures import error_body, read_failure
from tidegate.wire.vectors import embeddings_of, read_bare_vectors

_ANY_NUMBER = 1_000_000
"""How many inputs a request may hold was checked where it came in."""

_PROBE = Embeddings(inputs=("hello",), count=1)


class Settings(
    UpstreamSettings,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="embed_http",
):
    """A server that embeds texts and does nothing else; `/embed` stands below `base_url`."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="Name of its one model, as routes call it. The server itself answers to"
            " any name, so a call for another model is refused: vectors of two models never mix.",
        ),
    ]


class EmbeddingServer:
    """Implements `ports.Upstream`."""

    def __init__(
        self, settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._exchange = Exchange(settings, http, clock)
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
        """None: it holds no conversations."""
        return frozenset()

    async def open(self) -> None:
        """Build the HTTP client; no call is made."""
        await self._http.open()

    async def call(self, call: UpstreamCall) -> Answer:
        """Embed the texts of the call; anything else is not offered."""
        if call.surface != "embeddings":
            raise not_offered(self.name, "only embeds")
        _, ask = decode_embeddings(call.body, max_inputs=_ANY_NUMBER)
        if call.model != self._settings.model:
            raise not_offered(self.name, "has no model of this name")
        return await self._embed(ask, self._headers_for(call))

    async def stream(self, call: UpstreamCall) -> ConversationStream:
        """Refuse: there is nothing to stream."""
        del call
        raise not_offered(self.name, "only embeds")

    async def models(self, deadline: float) -> Sequence[str]:
        """Give the one model, once the server has embedded a word: it has no list to ask for."""
        left_s = max(0.0, deadline - self._clock.monotonic())
        try:
            async with asyncio.timeout(left_s):
                await self._embed(_PROBE, self._headers)
        except TimeoutError as error:
            raise UpstreamTimeout(self.name, "total", left_s) from error
        return (self._settings.model,)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _embed(self, ask: Embeddings, headers: Mapping[str, str]) -> Answer:
        if ask.inputs is None:
            raise not_offered(self.name, "embeds texts, not token ids")
        model = self._settings.model

        def read(content: bytes) -> Crossed:
            return embeddings_of(read_bare_vectors(content), ask, model=model)

        body = encode({"inputs": ask.inputs})
        try:
            return await self._exchange.whole("/embed", headers, body, read, model=model)
        except UpstreamStatus as error:
            error.body = _in_openai_words(error.body)
            raise

    def _headers_for(self, call: UpstreamCall) -> dict[str, str]:
        headers = {**self._headers, **trace_headers(call)}
        if self._settings.credentials == "passthrough" and call.credential is not None:
            headers["authorization"] = f"Bearer {call.credential}"
        return headers


def _in_openai_words(body: bytes) -> bytes:
    """Put `{"error": "...", "error_type": "..."}` into the OpenAI shape."""
    failure = read_failure(body)
    if failure is None:
        return body
    return error_body(failure.message, type=failure.type, param=failure.param, code=failure.code)


def build(
    settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
) -> EmbeddingServer:
    """Make the adapter; nothing is opened."""
    return EmbeddingServer(settings, secret=secret, http=http, clock=clock)
