"""Conversations with one upstream: relayed where it speaks the client's dialect, else crossed.

Which headers travel and which fields stay behind is the business of the adapter that calls.
"""

from collections.abc import AsyncIterator, Collection, Mapping

from msgspec.structs import replace

from tidegate.adapters.dialect_headers import headers_of_dialect
from tidegate.adapters.exchange import Exchange, lost_further_on, relayed
from tidegate.adapters.upstream_answers import (
    EVENT_LIMIT_BYTES,
    finish_reading,
    forbids_storing,
    require_event_stream,
)
from tidegate.domain.answer import Answer, Usage
from tidegate.domain.request import Dialect
from tidegate.errors import (
    MalformedAnswer,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
)
from tidegate.ports.http import HttpAnswer
from tidegate.ports.upstream import Batch, UpstreamCall
from tidegate.wire.crossing import Crossing, crossing
from tidegate.wire.native import NATIVE, StreamReader
from tidegate.wire.sse import Splitter

_NO_DEFAULT = 0


class Conversations:
    """Holds conversations with one upstream."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        native: Collection[Dialect],
        spoken: Dialect,
        default_max_tokens: int = _NO_DEFAULT,
    ) -> None:
        """Relay the dialects of `native`, cross all others into `spoken`.

        `default_max_tokens` is for dialects that demand a limit.
        """
        self.native = frozenset(native)
        self._exchange = exchange
        self._spoken = spoken
        self._default_max_tokens = default_max_tokens

    async def whole(
        self, call: UpstreamCall, headers: Mapping[str, str], drop: Collection[str]
    ) -> Answer:
        """Make a call for a whole answer; raises InvalidRequest for what cannot be crossed."""
        way = self._way(call)
        if way is None:
            native = NATIVE[call.dialect]
            body = native.rewrite(call.body, model=call.model, stream=False, drop=drop)
            sent = {**headers, **headers_of_dialect(call)}
            read = relayed(native.read_answer)
            return await self._exchange.whole(native.path, sent, body, read, model=call.model)
        body, lossy = self._cross(way, call, drop, stream=False)
        path, now = NATIVE[self._spoken].path, self._exchange.now()
        try:
            answer = await self._exchange.whole(
                path,
                headers,
                body,
                lambda content: way.answer(content, model=call.model, created=now),
                model=call.model,
            )
        except UpstreamStatus as error:
            error.body = way.error(error.body)
            raise
        return replace(answer, lossy=(*lossy, *answer.lossy))

    async def stream(
        self, call: UpstreamCall, headers: Mapping[str, str], drop: Collection[str]
    ) -> "ConversationStream":
        """Open a streamed answer, its status and kind checked."""
        way = self._way(call)
        reader: StreamReader
        lossy: tuple[str, ...] = ()
        if way is None:
            native = NATIVE[call.dialect]
            body = native.rewrite(call.body, model=call.model, stream=True, drop=drop)
            sent = {**headers, **headers_of_dialect(call)}
            answer = await self._exchange.opened(native.path, sent, body)
            reader = native.follow(call.wants_usage)
        else:
            body, lossy = self._cross(way, call, drop, stream=True)
            try:
                answer = await self._exchange.opened(NATIVE[self._spoken].path, headers, body)
            except UpstreamStatus as error:
                error.body = way.error(error.body)
                raise
            reader = way.stream(
                model=call.model, created=self._exchange.now(), wants_usage=call.wants_usage
            )
        await require_event_stream(answer, self._exchange.upstream)
        failures = Failures(self._exchange.upstream, self._dialect_of(call), way)
        return ConversationStream(answer, reader, failures, model=call.model, lossy=lossy)

    def _way(self, call: UpstreamCall) -> Crossing | None:
        return crossing(call.dialect, self._dialect_of(call))

    def _dialect_of(self, call: UpstreamCall) -> Dialect:
        """Give the dialect in which the upstream is asked."""
        return call.dialect if call.dialect in self.native else self._spoken

    def _cross(
        self, way: Crossing, call: UpstreamCall, drop: Collection[str], *, stream: bool
    ) -> tuple[bytes, tuple[str, ...]]:
        return way.request(
            call.body,
            model=call.model,
            stream=stream,
            drop=drop,
            default_max_tokens=self._default_max_tokens,
        )


class Failures:
    """Says what a broken stream means."""

    def __init__(self, upstream: str, spoken: Dialect, way: Crossing | None) -> None:
        """`way` puts the words of an error event into the client's dialect."""
        self._upstream = upstream
        self._spoken = spoken
        self._way = way

    def explain(self, error: MalformedAnswer, told: bytes | None) -> UpstreamError:
        """Turn an error event into the status that it names, all else into a malformed answer."""
        status = None if told is None else NATIVE[self._spoken].error_status(told)
        if told is None or status is None:
            return UpstreamMalformed(self._upstream, str(error))
        body = told if self._way is None else self._way.error(told)
        return UpstreamStatus(self._upstream, status, body=body)

    def cut(self, where: str) -> UpstreamCut:
        """Describe a stream that broke off."""
        return UpstreamCut(self._upstream, f"the stream ended {where}")


class ConversationStream:
    """Implements `ports.UpstreamStream`: its reader says what the client gets of the events."""

    def __init__(
        self,
        answer: HttpAnswer,
        reader: StreamReader,
        failures: Failures,
        *,
        model: str,
        lossy: tuple[str, ...],
    ) -> None:
        self.lossy = (*lossy, *lost_further_on(answer))
        self.may_store = not forbids_storing(answer)
        self.connect_s = answer.connect_s
        self._answer = answer
        self._reader = reader
        self._failures = failures
        self._model = model
        self._chunks = answer.chunks()
        self._is_ended = False

    @property
    def model(self) -> str:
        """The model that the upstream names; the one asked for until it has."""
        return self._reader.model or self._model

    @property
    def usage(self) -> Usage | None:
        """The usage as far as the stream has told it."""
        return self._reader.usage

    async def batches(self) -> AsyncIterator[Batch]:
        """Iterate once over the stream, one batch for each read that said something."""
        splitter = Splitter(EVENT_LIMIT_BYTES)
        async for chunk in self._chunks:
            batch = self._read(splitter, chunk)
            if batch.events:
                self._is_ended = batch.is_end
                yield batch
                if batch.is_end:
                    return
        yield self._finish(splitter)

    async def close(self) -> None:
        """Close the connection; after the end of the stream it is kept for the next call."""
        try:
            if self._is_ended:
                await finish_reading(self._chunks)
        finally:
            await self._answer.close()

    def _read(self, splitter: Splitter, chunk: bytes) -> Batch:
        try:
            return self._reader.feed(splitter.feed(chunk))
        except MalformedAnswer as error:
            raise self._failures.explain(error, self._reader.error) from error

    def _finish(self, splitter: Splitter) -> Batch:
        """Make the last batch of a stream that ended without saying so, if nothing is missing."""
        try:
            batch = self._reader.feed(splitter.finish())
            rest = self._reader.finish()
        except MalformedAnswer as error:
            if self._reader.error is not None:
                raise self._failures.explain(error, self._reader.error) from error
            raise self._failures.cut("within an event") from error
        if batch.is_end:
            return batch
        if rest is None:
            raise self._failures.cut("before the answer did")
        return Batch(
            (*batch.events, *rest.events),
            has_token=batch.has_token or rest.has_token,
            is_end=True,
            text_bytes=batch.text_bytes + rest.text_bytes,
        )
