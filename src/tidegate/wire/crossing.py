"""Answers a client in one dialect from an upstream that speaks another, losses named.

Where both speak the same there is nothing to cross: bytes are relayed, see `native`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from msgspec import structs

from tidegate.domain.answer import Usage
from tidegate.domain.event import Event
from tidegate.domain.reply import Growth
from tidegate.domain.request import Dialect
from tidegate.errors import InvalidRequest
from tidegate.ports.upstream import Batch
from tidegate.wire.anthropic_crossing import ANTHROPIC_BACK, ANTHROPIC_FRONT
from tidegate.wire.completions_crossing import COMPLETIONS_FRONT, CompletionsByChat
from tidegate.wire.crossed import Crossed
from tidegate.wire.generated import growth_bytes
from tidegate.wire.hub import Back, Front, GrowthReader, GrowthWriter
from tidegate.wire.openai_crossing import OPENAI_BACK, OPENAI_FRONT
from tidegate.wire.responses_crossing import RESPONSES_FRONT

FRONTS: Mapping[Dialect, Front] = {
    "openai": OPENAI_FRONT,
    "anthropic": ANTHROPIC_FRONT,
    "responses": RESPONSES_FRONT,
    "completions": COMPLETIONS_FRONT,
}
"""By the dialect of the request."""

BACKS: Mapping[Dialect, Back] = {"openai": OPENAI_BACK, "anthropic": ANTHROPIC_BACK}
"""By the dialect of the upstream."""


class StreamCrossing(Protocol):
    """One streamed answer on its way from one dialect into another."""

    @property
    def model(self) -> str:
        """As the stream names it; empty until then."""
        ...

    @property
    def usage(self) -> Usage | None:
        """As far as the stream has told it."""
        ...

    @property
    def error(self) -> bytes | None:
        """The data of the upstream's error event because of which `feed` raised."""
        ...

    def feed(self, events: Sequence[Event]) -> Batch:
        """Give the client's events; raises MalformedAnswer, also for an error event."""
        ...

    def finish(self) -> Batch | None:
        """Give the rest once the connection has closed; None when something is missing."""
        ...


class Crossing(Protocol):
    """Translates requests one way and answers, streams and errors the other."""

    def request(
        self,
        body: bytes,
        *,
        model: str,
        stream: bool,
        drop: Collection[str],
        default_max_tokens: int,
    ) -> tuple[bytes, tuple[str, ...]]:
        """Give the upstream's request and the names of what was lost; raises InvalidRequest.

        Fields of `drop` stay behind on purpose and are not named. `default_max_tokens` holds where
        the upstream's dialect demands a limit and the client named none.
        """
        ...

    def answer(self, body: bytes, *, model: str, created: int) -> Crossed:
        """Translate a whole answer; `model` is named where it names none. MalformedAnswer."""
        ...

    def stream(self, *, model: str, created: int, wants_usage: bool) -> StreamCrossing:
        """Begin to translate a streamed answer."""
        ...

    def error(self, body: bytes) -> bytes:
        """Translate the body of an error; what is none stays as it is."""
        ...


def crossing(wanted: Dialect, spoken: Dialect) -> Crossing | None:
    """Give the way from a client's dialect to an upstream's; None where they are the same.

    Raises InvalidRequest where there is none.
    """
    if wanted == spoken:
        return None
    if (wanted, spoken) == ("completions", "openai"):
        # Straight, because a conversation has no place for several choices.
        return CompletionsByChat()
    front, back = FRONTS.get(wanted), BACKS.get(spoken)
    if front is None or back is None:
        raise InvalidRequest(
            f"No upstream of this model speaks the API of this path (`{wanted}`).",
            param="model",
            code="unsupported_api",
        )
    return HubCrossing(front, back)


@dataclass(frozen=True, slots=True)
class HubCrossing:
    """Implements `Crossing` by way of a conversation in no dialect."""

    front: Front
    back: Back

    def request(
        self,
        body: bytes,
        *,
        model: str,
        stream: bool,
        drop: Collection[str],
        default_max_tokens: int,
    ) -> tuple[bytes, tuple[str, ...]]:
        """See `Crossing`."""
        conversation, unread = self.front.read_request(body, drop=drop)
        written, unwritten = self.back.write_request(
            conversation, model=model, default_max_tokens=default_max_tokens, stream=stream
        )
        return written, tuple(dict.fromkeys((*unread, *unwritten)))

    def answer(self, body: bytes, *, model: str, created: int) -> Crossed:
        """See `Crossing`."""
        reply = self.back.read_reply(body)
        named = replace(reply, model=reply.model or model)
        written = self.front.write_reply(named, created=created)
        return Crossed(written, reply.model, reply.usage)

    def stream(self, *, model: str, created: int, wants_usage: bool) -> "HubStream":
        """See `Crossing`."""
        writer = self.front.open_stream(model=model, created=created, keep_usage=wants_usage)
        return HubStream(self.back.follow_stream(), writer)

    def error(self, body: bytes) -> bytes:
        """See `Crossing`."""
        failure = self.back.read_error(body)
        if failure is None:
            return body
        return self.front.write_error(
            failure.message, type=failure.type, param=failure.param, code=failure.code
        )


class HubStream:
    """Implements `StreamCrossing`: each event becomes the events that say the same."""

    def __init__(self, reader: GrowthReader, writer: GrowthWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def model(self) -> str:
        """As the stream names it; empty until then."""
        return self._reader.model

    @property
    def usage(self) -> Usage | None:
        """As far as the stream has told it."""
        return self._reader.usage

    @property
    def error(self) -> bytes | None:
        """The data of the upstream's error event because of which `feed` raised."""
        return self._reader.error

    def feed(self, events: Sequence[Event]) -> Batch:
        """See `StreamCrossing`."""
        return self._written(self._reader.feed(events))

    def finish(self) -> Batch | None:
        """See `StreamCrossing`."""
        rest = self._reader.finish()
        return None if rest is None else self._written(rest)

    def _written(self, growths: Sequence[Growth]) -> Batch:
        batch = self._writer.write(growths)
        size = growth_bytes(growths)
        return structs.replace(batch, text_bytes=size) if size else batch
