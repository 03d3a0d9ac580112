"""A request, decoded once at the edge. The client's bytes stay beside what the stages read."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from tidegate.domain.identity import Identity
from tidegate.domain.question import Question

Surface = Literal["chat", "embeddings", "decisions"]
Dialect = Literal["openai", "anthropic", "responses", "completions"]
"""Of a conversation: chat/completions, messages, responses, or the older completions."""
Need = Literal["tools", "images", "audio", "files", "structured"]


class Chat(msgspec.Struct, frozen=True):
    """What the stages need to know of a conversation; the whole of it stays in the body."""

    text: str
    """The text of the last user turn, for patterns."""
    characters: int
    """Characters of all text parts of all turns."""
    needs: frozenset[Need] = frozenset()
    stream: bool = False
    wants_usage: bool = False
    """The client itself asked for the usage chunk of a stream."""
    temperature: float | None = None
    max_tokens: int | None = None
    choices: int = 1
    pinned_by: str | None = None
    """The field because of which only an upstream that speaks the request's own dialect may answer,
    and no other after it: it names state that the upstream keeps. None: nothing is pinned."""


class Embeddings(msgspec.Struct, frozen=True):
    """Texts to embed; `inputs` is None when the client sent token ids."""

    inputs: tuple[str, ...] | None
    count: int
    encoding: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class Decisions(msgspec.Struct, frozen=True):
    """Questions about a text; `text` is None when no local head may read it, see `obstacle`."""

    questions: tuple[Question, ...]
    text: str | None
    obstacle: str | None = None


Ask = Chat | Embeddings | Decisions


class CacheWish(msgspec.Struct, frozen=True):
    """The client's `Cache-Control`: what it allows the cache to do for this request."""

    may_read: bool = True
    may_store: bool = True
    max_age_s: float | None = None


class Context(msgspec.Struct, frozen=True):
    """What came with the request beside its body."""

    request_id: str
    identity: Identity
    received_at: float
    """Seconds since the epoch, UTC."""
    started: float
    """Monotonic seconds; phases and deadlines count from here."""
    allowed_s: float | None = None
    """Seconds that a node before this one still has; None: only the route's deadline holds."""
    client_request_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    """What vendors on the way noted beside `traceparent` (W3C); None without one."""
    credential: str | None = None
    """The client's own upstream credential, used only by upstreams set to `passthrough`."""
    client_address: str | None = None
    client_rtt_s: float | None = None
    client_headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    """`anthropic-version` and `anthropic-beta`; they go with a request that is relayed."""
    cache: CacheWish = msgspec.field(default_factory=CacheWish)
    parse_s: float = 0.0
    max_error: float | None = None
    """Share of local answers that the client allows to be wrong; it may only be stricter than the
    operator. None: the operator's own holds."""
    region: str | None = None
    """Where the client is, as a trusted proxy says; None: counted to the node's own region."""


class Request(msgspec.Struct, frozen=True):
    """One request on its way through the stages."""

    surface: Surface
    model: str
    """As the client named it."""
    body: bytes
    """Checked JSON in the client's dialect: safe to relay as it is."""
    ask: Ask
    context: Context
    dialect: Dialect = "openai"

    @property
    def stream(self) -> bool:
        """Whether the client wants the answer as it comes."""
        return isinstance(self.ask, Chat) and self.ask.stream
