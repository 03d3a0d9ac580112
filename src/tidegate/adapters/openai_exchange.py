"""Embeddings, typed decisions and models in the OpenAI dialect; bytes are relayed.

Which headers travel and which fields stay behind is the business of the adapter that calls.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from tidegate.adapters.decisions_by_chat import ANY_NUMBER, decided
from tidegate.adapters.exchange import Exchange, relayed
from tidegate.adapters.upstream_answers import ANSWER_LIMIT_BYTES
from tidegate.domain.answer import Answer, Usage
from tidegate.errors import MalformedAnswer, UpstreamMalformed, UpstreamTimeout
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.chat_answer import read_chat_answer
from tidegate.wire.decisions import decode_decisions
from tidegate.wire.decisions_answer import read_decisions_answer
from tidegate.wire.decisions_chat import chat_request
from tidegate.wire.embeddings import read_embeddings_answer
from tidegate.wire.fields import name_model
from tidegate.wire.model_listing import read_model_listing


class OpenAIExchange:
    """Makes calls to one upstream that speaks the OpenAI dialect."""

    def __init__(self, exchange: Exchange, http: Http, clock: Clock) -> None:
        self._exchange = exchange
        self._http = http
        self._clock = clock

    async def embeddings(
        self, call: UpstreamCall, headers: Mapping[str, str], drop: Collection[str]
    ) -> Answer:
        """Ask for embeddings."""
        body = name_model(call.body, call.model, drop)
        read = relayed(read_embeddings_answer)
        return await self._exchange.whole("/embeddings", headers, body, read, model=call.model)

    async def decisions(
        self, call: UpstreamCall, headers: Mapping[str, str], drop: Collection[str]
    ) -> Answer:
        """Ask typed questions of a server that answers them itself; the answers are checked."""
        _, ask = decode_decisions(call.body, max_questions=ANY_NUMBER)

        def read(answer: bytes) -> tuple[str, Usage | None]:
            model, _, usage = read_decisions_answer(answer, ask.questions)
            return model, usage

        body = name_model(call.body, call.model, drop)
        return await self._exchange.whole(
            "/decisions", headers, body, relayed(read), model=call.model
        )

    async def decisions_by_chat(
        self,
        call: UpstreamCall,
        headers: Mapping[str, str],
        *,
        agreement: float,
        logprobs: bool,
    ) -> Answer:
        """Ask typed questions of a chat model; the answer is made from what it says."""
        body = chat_request(call.body, model=call.model, logprobs=logprobs)
        read = relayed(read_chat_answer)
        chat = await self._exchange.whole(
            "/chat/completions", headers, body, read, model=call.model
        )
        return decided(call, chat, upstream=self._exchange.upstream, agreement=agreement)

    async def models(self, headers: Mapping[str, str], deadline: float) -> Sequence[str]:
        """List the models that the upstream says it has; `deadline` is monotonic seconds."""
        left_s = max(0.0, deadline - self._clock.monotonic())
        try:
            async with asyncio.timeout(left_s):
                answer = await self._http.request("GET", "/models", headers=headers)
                await self._exchange.accept(answer)
                listing = read_model_listing(await answer.read(ANSWER_LIMIT_BYTES))
        except TimeoutError as error:
            raise UpstreamTimeout(self._exchange.upstream, "total", left_s) from error
        except MalformedAnswer as error:
            raise UpstreamMalformed(self._exchange.upstream, str(error)) from error
        return [model.id for model in listing.data]
