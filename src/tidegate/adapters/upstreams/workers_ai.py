"""Cloudflare's Workers AI by its own API: text, embeddings and the decision models Clef."""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal, assert_never
from urllib.parse import quote

from msgspec import Meta
from msgspec.structs import replace

from tidegate.adapters.conversations import ConversationStream, Failures
from tidegate.adapters.decisions_by_chat import decided
from tidegate.adapters.exchange import Exchange
from tidegate.adapters.not_offered import not_offered
from tidegate.adapters.personal_data import address_header, withheld_fields
from tidegate.adapters.trace_headers import trace_headers
from tidegate.adapters.upstream_answers import ANSWER_LIMIT_BYTES, require_event_stream
from tidegate.adapters.upstream_settings import UpstreamSettings
from tidegate.domain.answer import Answer
from tidegate.domain.request import Dialect
from tidegate.domain.secret import Secret
from tidegate.domain.zone import Place
from tidegate.errors import MalformedAnswer, UpstreamMalformed, UpstreamStatus, UpstreamTimeout
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http, HttpAnswer
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.crossed import Crossed
from tidegate.wire.crossing import FRONTS, Crossing, HubCrossing
from tidegate.wire.decisions_chat import chat_request
from tidegate.wire.embeddings import decode_embeddings
from tidegate.wire.openai_crossing import OPENAI_FRONT
from tidegate.wire.system_one import encode_system_one, obstacle, read_system_one
from tidegate.wire.workers_ai_crossing import workers_ai_back
from tidegate.wire.workers_ai_envelope import status_of, unwrap
from tidegate.wire.workers_ai_lists import encode_texts, read_catalog_page, read_embedded

_MODEL = re.compile(r"@?[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)
"""A name that cannot lead the path elsewhere: no empty segment, none that begins with a dot."""

_ANY_NUMBER = 1_000_000
"""How many inputs a request may hold was checked where it came in."""

_MOST_QUESTIONS = 64
"""As the API documents for Clef."""

_PAGE = 100
_MOST_PAGES = 20


class Settings(
    UpstreamSettings,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="workers_ai",
):
    """Cloudflare Workers AI; `base_url` is `https://api.cloudflare.com/client/v4`."""

    account_id: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9]{1,64}$",
            description="Cloudflare account that runs the models and pays for them.",
        ),
    ]
    max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            description="Tokens to allow for an answer when the client names no limit. Default"
            " 2048: the API's own is 256, which cuts most answers, and some models hold 4096 in"
            " all.",
        ),
    ] = 2048
    decisions: Annotated[
        Literal["native", "chat"],
        Meta(
            description="How it answers typed decisions: `native` asks a decision model (Clef),"
            " `chat` asks a text model by one structured-output call. Default `native`."
        ),
    ] = "native"
    agreement: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="With `decisions: chat`: the probability given to the option it reports."
            " Default 0.5, until its agreement has been measured.",
        ),
    ] = 0.5


class WorkersAI:
    """Implements `ports.Upstream`."""

    def __init__(
        self, settings: Settings, *, secret: Secret | None, http: Http, clock: Clock
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._exchange = Exchange(settings, http, clock)
        self._account = f"/accounts/{settings.account_id}/ai"
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
        """None: its API is nobody's dialect, so every conversation is crossed."""
        return frozenset()

    async def open(self) -> None:
        """Build the HTTP client; no call is made."""
        await self._http.open()

    async def call(self, call: UpstreamCall) -> Answer:
        """Make one call for a whole answer."""
        match call.surface:
            case "chat":
                return await self._converse(call)
            case "embeddings":
                return await self._embed(call)
            case "decisions" if self._settings.decisions == "chat":
                # This API tells no probabilities of tokens.
                body = chat_request(call.body, model=call.model, logprobs=False)
                chat = await self._converse(replace(call, body=body, dialect="openai"))
                return decided(call, chat, upstream=self.name, agreement=self._settings.agreement)
            case "decisions":
                return await self._decide(call)
            case _:
                assert_never(call.surface)

    async def stream(self, call: UpstreamCall) -> ConversationStream:
        """Open a streamed chat answer."""
        way = _way(call)
        body, lossy = self._crossed(way, call, stream=True)
        try:
            answer = await self._exchange.opened(self._path(call), self._headers_for(call), body)
        except UpstreamStatus as error:
            raise _explained(error, way) from error
        await require_event_stream(answer, self.name)
        reader = way.stream(
            model=call.model, created=self._exchange.now(), wants_usage=call.wants_usage
        )
        failures = Failures(self.name, "openai", way)
        return ConversationStream(answer, reader, failures, model=call.model, lossy=lossy)

    async def models(self, deadline: float) -> Sequence[str]:
        """List the models that the account may run."""
        left_s = max(0.0, deadline - self._clock.monotonic())
        names: list[str] = []
        try:
            async with asyncio.timeout(left_s):
                for page in range(1, _MOST_PAGES + 1):
                    listed = read_catalog_page(await self._catalog_page(page))
                    names += listed
                    if len(listed) < _PAGE:
                        break
        except TimeoutError as error:
            raise UpstreamTimeout(self.name, "total", left_s) from error
        except MalformedAnswer as error:
            raise UpstreamMalformed(self.name, str(error)) from error
        return names

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _converse(self, call: UpstreamCall) -> Answer:
        way = _way(call)
        body, lossy = self._crossed(way, call, stream=False)
        read = partial(way.answer, model=call.model, created=self._exchange.now())
        answer = await self._run(call, body, read, way)
        return replace(answer, lossy=(*lossy, *answer.lossy))

    async def _embed(self, call: UpstreamCall) -> Answer:
        _, ask = decode_embeddings(call.body, max_inputs=_ANY_NUMBER)
        if ask.inputs is None:
            raise not_offered(self.name, "embeds texts, not token ids")

        def read(content: bytes) -> Crossed:
            return read_embedded(unwrap(content), ask, model=call.model)

        return await self._run(call, encode_texts(ask.inputs), read, _way(call))

    async def _decide(self, call: UpstreamCall) -> Answer:
        reason = obstacle(call.body, max_questions=_MOST_QUESTIONS)
        if reason is not None:
            raise not_offered(self.name, f"cannot answer these questions: {reason}")

        def read(content: bytes) -> Crossed:
            return read_system_one(unwrap(content), body=call.body, model=call.model)

        body = encode_system_one(call.body, model=call.model)
        return await self._run(call, body, read, _way(call))

    async def _run(
        self, call: UpstreamCall, body: bytes, read: Callable[[bytes], Crossed], way: Crossing
    ) -> Answer:
        headers = self._headers_for(call)
        try:
            return await self._exchange.whole(
                self._path(call), headers, body, read, model=call.model
            )
        except UpstreamStatus as error:
            raise _explained(error, way) from error

    async def _catalog_page(self, page: int) -> bytes:
        path = f"{self._account}/models/search?per_page={_PAGE}&page={page}"
        answer: HttpAnswer = await self._http.request("GET", path, headers=self._headers)
        await self._exchange.accept(answer)
        return unwrap(await answer.read(ANSWER_LIMIT_BYTES))

    def _crossed(
        self, way: Crossing, call: UpstreamCall, *, stream: bool
    ) -> tuple[bytes, tuple[str, ...]]:
        return way.request(
            call.body,
            model=call.model,
            stream=stream,
            drop=withheld_fields(call.forward),
            default_max_tokens=self._settings.max_tokens,
        )

    def _path(self, call: UpstreamCall) -> str:
        """Give the path of the model; a route may let clients name it, and a path is no text."""
        if not _MODEL.fullmatch(call.model):
            raise not_offered(self.name, "has no model of this name")
        return f"{self._account}/run/{quote(call.model, safe='@/')}"

    def _headers_for(self, call: UpstreamCall) -> dict[str, str]:
        headers = {**self._headers, **address_header(call), **trace_headers(call)}
        if self._settings.credentials == "passthrough" and call.credential is not None:
            headers["authorization"] = f"Bearer {call.credential}"
        return headers


def _way(call: UpstreamCall) -> HubCrossing:
    """Give the way from the dialect of the call; only conversations have several."""
    front = FRONTS[call.dialect] if call.surface == "chat" else OPENAI_FRONT
    return HubCrossing(front, workers_ai_back(call.request_id))


def _explained(error: UpstreamStatus, way: Crossing) -> UpstreamStatus:
    """Put an error into the words of the client's dialect, with the status that it means."""
    return UpstreamStatus(
        error.upstream,
        status_of(error.body, error.status),
        body=way.error(error.body),
        retry_after_s=error.retry_after_s,
        is_clients_credential=error.is_clients_credential,
    )


def build(settings: Settings, *, secret: Secret | None, http: Http, clock: Clock) -> WorkersAI:
    """Make the adapter; nothing is opened."""
    return WorkersAI(settings, secret=secret, http=http, clock=clock)
