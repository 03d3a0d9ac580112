"""What answers elsewhere: calls of upstreams, and their answers, whole and streamed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from tidegate.domain.answer import Answer, Usage
from tidegate.domain.event import Event
from tidegate.domain.request import Dialect, Surface
from tidegate.domain.route import Personal
from tidegate.domain.zone import Place


class UpstreamCall(msgspec.Struct, frozen=True):
    """What an upstream adapter needs to make one call."""

    surface: Surface
    dialect: Dialect
    """Of `body`, and of the answer that is wanted."""
    body: bytes
    model: str
    """The model's name at the upstream; replaces the one in `body`."""
    stream: bool
    deadline: float
    """Monotonic seconds."""
    request_id: str
    tenant: str
    wants_usage: bool = True
    """The client asked for the usage chunk itself, so it stays in the stream."""
    traceparent: str | None = None
    tracestate: str | None = None
    """What vendors on the way noted beside `traceparent` (W3C); goes where that goes."""
    credential: str | None = None
    """The client's own, for upstreams set to `passthrough`."""
    client_address: str | None = None
    forward: frozenset[Personal] = frozenset()
    client_headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Headers of the client that belong to its dialect, see `wire.native`; names in lower case."""


class Batch(msgspec.Struct, frozen=True):
    """The events that one read from the socket gave."""

    events: tuple[Event, ...]
    has_token: bool
    """At least one event carries generated content (text, a tool call, a finish reason)."""
    is_end: bool
    """The dialect's own end (`[DONE]`) is among the events."""
    text_bytes: int = 0
    """Bytes of what was generated in them: words, reasoning, arguments of calls."""


class UpstreamStream(Protocol):
    """A streamed answer in the dialect of the call, in batches of events as they arrived.

    It ends after the dialect's own end (`[DONE]`); raises UpstreamCut when it breaks off before,
    UpstreamTimeout on a gap, UpstreamStatus or UpstreamMalformed for an error event in band. The
    usage chunk that only we asked for is left out but counted.
    """

    @property
    def lossy(self) -> tuple[str, ...]:
        """What the translation of the request lost; complete once the stream is open."""
        ...

    @property
    def model(self) -> str:
        """The model that the upstream names; the one asked for until it has."""
        ...

    @property
    def connect_s(self) -> float | None:
        """Seconds that making a connection took; None: there was one."""
        ...

    @property
    def may_store(self) -> bool:
        """False when the upstream forbade storing (`Cache-Control: no-store`)."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The usage as far as the stream has told it."""
        ...

    def batches(self) -> AsyncIterator[Batch]:
        """Iterate once over the stream."""
        ...

    async def close(self) -> None:
        """Close the connection; harmless when called twice or after the end."""
        ...


class Upstream(Protocol):
    """A model server elsewhere. Translates and carries; decides, retries and prices nothing."""

    @property
    def name(self) -> str:
        """The configured name."""
        ...

    @property
    def place(self) -> Place:
        """Where it stands."""
        ...

    @property
    def native(self) -> frozenset[Dialect]:
        """Dialects of conversations that it speaks itself; others are crossed."""
        ...

    async def open(self) -> None:
        """Build what calls need; no call is made."""
        ...

    async def call(self, call: UpstreamCall) -> Answer:
        """Make one call for a whole answer; raises UpstreamError."""
        ...

    async def stream(self, call: UpstreamCall) -> UpstreamStream:
        """Open a streamed answer, its status checked; raises UpstreamError."""
        ...

    async def models(self, deadline: float) -> Sequence[str]:
        """List the models that the upstream says it has; raises UpstreamError."""
        ...

    async def close(self) -> None:
        """Release connections; works after a half-done `open`."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """An upstream that may be able to count the tokens of a conversation, at no cost."""

    async def count_tokens(self, call: UpstreamCall) -> Answer | None:
        """Count, in the dialect of the call; None when it cannot; raises UpstreamError."""
        ...
