"""What relaying a conversation needs to know of a dialect: path, request, answer, stream, errors.

Bytes pass as they came. Where client and upstream differ in dialect, see `crossing`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.event import Event
from tidegate.domain.request import Dialect
from tidegate.ports.upstream import Batch
from tidegate.wire.anthropic_answer import read_error, status_of
from tidegate.wire.anthropic_relay import MessageRelayReader, read_message_answer
from tidegate.wire.anthropic_surface import messages_body
from tidegate.wire.chat_answer import read_chat_answer
from tidegate.wire.chat_request import chat_body
from tidegate.wire.chat_stream import ChatStreamReader
from tidegate.wire.completions_answer import read_completion_answer
from tidegate.wire.failures import error_status
from tidegate.wire.fields import read_fields, rewrite
from tidegate.wire.responses_answer import read_response_answer
from tidegate.wire.responses_failures import response_error_status
from tidegate.wire.responses_request import response_body
from tidegate.wire.responses_stream import ResponseStreamReader


class StreamReader(Protocol):
    """Follows one streamed answer and says what to pass on of it."""

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
        """The data of the error event because of which `feed` raised."""
        ...

    def feed(self, events: Sequence[Event]) -> Batch:
        """Give what the client gets of them; raises MalformedAnswer, also for an error event."""
        ...

    def finish(self) -> Batch | None:
        """Give the rest once the connection has closed; None when something is missing."""
        ...


class RequestRewriter(Protocol):
    """Makes an upstream's request of a client's."""

    def __call__(self, body: bytes, *, model: str, stream: bool, drop: Collection[str]) -> bytes:
        """Name the upstream's `model`, leave out top-level fields, keep all other bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Native:
    """One dialect between a client and an upstream that both speak it."""

    path: str
    """Below the base URL of the upstream."""
    rewrite: RequestRewriter
    read_answer: Callable[[bytes], tuple[str, Usage | None]]
    """Gives the model's name, empty when it is not told, and the usage; MalformedAnswer."""
    follow: Callable[[bool], StreamReader]
    """Begins to follow a stream; the argument tells whether the client wants its usage."""
    error_status: Callable[[bytes], int | None]
    """Gives the HTTP status that an error event stands for, where it tells one."""
    headers: tuple[str, ...] = ()
    """Of the client, in lower case: they belong to the request like its body and go with it."""


class _Streamed(msgspec.Struct):
    stream: bool | None = None


_DECODE_STREAMED = msgspec.json.Decoder(_Streamed).decode


def _chat_body(body: bytes, *, model: str, stream: bool, drop: Collection[str]) -> bytes:
    written = chat_body(body, model=model, stream_usage=stream, drop=drop)
    if stream and not _DECODE_STREAMED(written).stream:
        return rewrite(written, read_fields(written), values={"stream": b"true"})
    return written


def _follow_chat(wants_usage: bool) -> ChatStreamReader:  # noqa: FBT001
    return ChatStreamReader(keep_usage=wants_usage)


def _follow_messages(_wants_usage: bool) -> MessageRelayReader:  # noqa: FBT001
    return MessageRelayReader()


def _follow_response(_wants_usage: bool) -> ResponseStreamReader:  # noqa: FBT001
    return ResponseStreamReader()


def _message_error_status(body: bytes) -> int | None:
    error = read_error(body)
    return None if error is None else status_of(error[0])


NATIVE: Mapping[Dialect, Native] = {
    "openai": Native("/chat/completions", _chat_body, read_chat_answer, _follow_chat, error_status),
    "anthropic": Native(
        "/messages",
        messages_body,
        read_message_answer,
        _follow_messages,
        _message_error_status,
        headers=("anthropic-version", "anthropic-beta"),
    ),
    "responses": Native(
        "/responses",
        response_body,
        read_response_answer,
        _follow_response,
        response_error_status,
    ),
    # The older completions stream like chat: chunks, a usage chunk, `[DONE]`.
    "completions": Native(
        "/completions", _chat_body, read_completion_answer, _follow_chat, error_status
    ),
}
"""By dialect."""
