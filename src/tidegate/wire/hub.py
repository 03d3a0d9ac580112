"""What a dialect brings so that others can be crossed with it; `crossing` puts two together.

A `Front` is spoken by clients: requests are read into a conversation, replies are written. A
`Back` is spoken by upstreams: the other way round. So a new dialect needs its own two sides and
not one translation for each pair.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.domain.answer import Usage
from tidegate.domain.conversation import Conversation
from tidegate.domain.event import Event
from tidegate.domain.reply import Growth, Reply
from tidegate.ports.upstream import Batch
from tidegate.wire.failures import Failure


class RequestReader(Protocol):
    """Reads a client's request."""

    def __call__(
        self, body: bytes, *, drop: Collection[str]
    ) -> tuple[Conversation, tuple[str, ...]]:
        """Give the conversation and the names of what it cannot hold; raises InvalidRequest."""
        ...


class RequestWriter(Protocol):
    """Writes a request for an upstream."""

    def __call__(
        self, conversation: Conversation, *, model: str, default_max_tokens: int, stream: bool
    ) -> tuple[bytes, tuple[str, ...]]:
        """Give the body and the names of what the dialect cannot say."""
        ...


class ReplyReader(Protocol):
    """Reads a whole answer of an upstream."""

    def __call__(self, body: bytes) -> Reply:
        """Give the reply; raises MalformedAnswer."""
        ...


class ReplyWriter(Protocol):
    """Writes a whole answer for a client."""

    def __call__(self, reply: Reply, *, created: int) -> bytes:
        """Encode it; `created` is seconds since the epoch."""
        ...


class GrowthReader(Protocol):
    """Follows a streamed answer of an upstream."""

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

    def feed(self, events: Sequence[Event]) -> Sequence[Growth]:
        """Tell how the reply grew; raises MalformedAnswer, also for an error event."""
        ...

    def finish(self) -> Sequence[Growth] | None:
        """Tell the rest once the connection has closed; None when something is missing."""
        ...


class GrowthWriter(Protocol):
    """Writes a streamed answer for a client."""

    def write(self, growths: Iterable[Growth]) -> Batch:
        """Give the events for what grew; raises MalformedAnswer for what cannot be said."""
        ...


class StreamOpener(Protocol):
    """Begins to write a streamed answer for a client."""

    def __call__(self, *, model: str, created: int, keep_usage: bool) -> GrowthWriter:
        """`model` is named until the reply names its own."""
        ...


class StreamFollower(Protocol):
    """Begins to follow a streamed answer of an upstream."""

    def __call__(self) -> GrowthReader:
        """Make the reader of one stream."""
        ...


class ErrorReader(Protocol):
    """Reads an error of an upstream."""

    def __call__(self, body: bytes) -> Failure | None:
        """Give it in the words of the OpenAI dialect; None when it is none."""
        ...


class ErrorWriter(Protocol):
    """Writes an error for a client."""

    def __call__(
        self,
        message: str,
        *,
        # The dialect's own word for it.
        type: str,  # noqa: A002
        param: str | None = None,
        code: str | None = None,
    ) -> bytes:
        """Encode the body of an error answer."""
        ...


@dataclass(frozen=True, slots=True)
class Front:
    """A dialect as clients speak it."""

    read_request: RequestReader
    write_reply: ReplyWriter
    open_stream: StreamOpener
    write_error: ErrorWriter


@dataclass(frozen=True, slots=True)
class Back:
    """A dialect as upstreams speak it."""

    write_request: RequestWriter
    read_reply: ReplyReader
    follow_stream: StreamFollower
    read_error: ErrorReader
