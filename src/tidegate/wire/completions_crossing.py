"""The older completions as clients speak them: one side of a crossing, and straight to chat.

By way of a conversation one continuation comes back; straight to chat completions, whose answers
have choices as well, there may be several.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from tidegate.domain.answer import Usage
from tidegate.domain.conversation import Conversation
from tidegate.domain.event import Event
from tidegate.domain.reply import Growth, Reply
from tidegate.ports.upstream import Batch
from tidegate.wire.chat_answer import read_chat_answer
from tidegate.wire.chat_request import chat_body
from tidegate.wire.chat_stream import ChatStreamReader
from tidegate.wire.completions_chat import chat_request_of, completion_chunks_of, completion_of
from tidegate.wire.crossed import Crossed
from tidegate.wire.failures import error_body
from tidegate.wire.fields import read_fields, rewrite
from tidegate.wire.hub import Front
from tidegate.wire.openai_conversation import read_conversation
from tidegate.wire.openai_reply import ChunkWriter, encode_reply


def read_completion(
    body: bytes, *, drop: Collection[str] = ()
) -> tuple[Conversation, tuple[str, ...]]:
    """Read the request; gives the names of fields that are lost beside it. InvalidRequest."""
    chat, lost = chat_request_of(body, drop=drop)
    conversation, unread = read_conversation(chat, drop=drop)
    return conversation, tuple(dict.fromkeys((*lost, *unread)))


def encode_completion(reply: Reply, *, created: int) -> bytes:
    """Encode a whole completion; only what the model said in words has a place in it."""
    return completion_of(encode_reply(reply, created=created))


class CompletionWriter:
    """Writes one streamed reply as the chunks of a completion."""

    def __init__(self, *, model: str, created: int, keep_usage: bool) -> None:
        """`model` is named until the reply names its own; `keep_usage` adds the usage chunk."""
        self._writer = ChunkWriter(model=model, created=created, keep_usage=keep_usage)

    def write(self, growths: Iterable[Growth]) -> Batch:
        """Give the chunks for what grew."""
        return _completed(self._writer.write(growths))


COMPLETIONS_FRONT = Front(read_completion, encode_completion, CompletionWriter, error_body)


class CompletionsByChat:
    """Implements `Crossing` from the older completions to chat completions."""

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
        # A chat model that is given no limit stops by itself.
        del default_max_tokens
        chat, lost = chat_request_of(body, drop=drop)
        named = chat_body(chat, model=model, stream_usage=stream, drop=())
        if stream:
            named = rewrite(named, read_fields(named), values={"stream": b"true"})
        return named, lost

    def answer(self, body: bytes, *, model: str, created: int) -> Crossed:
        """See `Crossing`."""
        # Both stand in the answer already.
        del model, created
        name, usage = read_chat_answer(body)
        return Crossed(completion_of(body), name, usage)

    def stream(self, *, model: str, created: int, wants_usage: bool) -> "CompletionsByChatStream":
        """See `Crossing`."""
        # Both stand in the chunks already.
        del model, created
        return CompletionsByChatStream(keep_usage=wants_usage)

    def error(self, body: bytes) -> bytes:
        """See `Crossing`; both have errors of one form."""
        return body


class CompletionsByChatStream:
    """Implements `StreamCrossing`: each chat chunk becomes the completion chunk that says so."""

    def __init__(self, *, keep_usage: bool) -> None:
        self._reader = ChatStreamReader(keep_usage=keep_usage)

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
        return _completed(self._reader.feed(events))

    def finish(self) -> Batch | None:
        """See `StreamCrossing`."""
        return self._reader.finish()


def _completed(batch: Batch) -> Batch:
    events = completion_chunks_of(batch.events)
    return replace(batch, events=events)
