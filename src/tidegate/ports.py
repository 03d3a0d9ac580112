"""The outside world as the execution layer sees it: Protocols, and the values that cross them.

Every adapter implements one of these; a fake of each ships beside the real ones and passes the
same contract suite in `tests/contract`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec

from tidegate.domain.answer import Answer, Usage
from tidegate.domain.encoding import Encoding, StaticEncoding, Wants
from tidegate.domain.event import Event
from tidegate.domain.guarantee import AttemptLedger, Guarantee
from tidegate.domain.label import LabelCounts, LabelRow, Owner
from tidegate.domain.passed import Bound
from tidegate.domain.question import Question
from tidegate.domain.record import Record
from tidegate.domain.request import Dialect, Surface
from tidegate.domain.route import Personal
from tidegate.domain.zone import Place


class Clock(Protocol):
    """The two clocks: one to write down, one to measure with."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""
        ...


class Ids(Protocol):
    """Where ids and random draws come from."""

    def request_id(self) -> str:
        """Make an id that sorts by time and is unique across nodes."""
        ...

    def draw(self) -> float:
        """Draw a number uniformly from [0, 1)."""
        ...


class Encoder(Protocol):
    """Turns a text into a vector, in this process."""

    @property
    def name(self) -> str:
        """The model's own name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash over weights, precision, tokenizer and pooling; vectors of others never mix."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of the vector."""
        ...

    @property
    def allowed_dimensions(self) -> Sequence[int]:
        """Lengths to which a vector may be cut."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of one window."""
        ...

    @property
    def most_windows(self) -> int:
        """Windows that a long text may take; what is beyond them is cut and said to be."""
        ...

    @property
    def threads(self) -> int:
        """Texts that are encoded at the same time."""
        ...

    async def encode(
        self, text: str, deadline: float | None = None, *, wants: Wants = "vector"
    ) -> Encoding:
        """Encode one text; `deadline` is monotonic seconds.

        Raises EngineOverloaded when too many wait, DeadlineExceeded when the turn came too late,
        InvalidRequest for a text that is not valid Unicode.
        """
        ...


class StaticTable(Protocol):
    """Turns a short text into a vector without a model, in microseconds, on the event loop."""

    @property
    def name(self) -> str:
        """The table's own name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash over table and tokenizer; vectors of others never mix."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of the vector."""
        ...

    def embed(self, text: str) -> StaticEncoding | None:
        """Give the vector, of length 1; None for a text that the encoder has to look at."""
        ...


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


@dataclass(frozen=True, slots=True)
class PassedCall:
    """A request that an upstream is sent as it is."""

    method: str
    path: str
    """Below the base URL, made of checked parts."""
    body: bytes
    content_type: str
    traceparent: str | None = None
    credential: str | None = None
    """The client's own, for upstreams set to `passthrough`."""


@runtime_checkable
class Passthrough(Protocol):
    """An upstream that requests can be passed on to as they are."""

    async def pass_on(self, call: PassedCall) -> "HttpAnswer":
        """Send it; gives the answer at its head, whatever its status; raises UpstreamError."""
        ...


class Bindings(Protocol):
    """Whose the files and batches are that lie with upstreams; bounded, the oldest go first."""

    async def bind(self, object_id: str, bound: Bound) -> None:
        """Note whose an object is; the first to be noted keeps it. Raises StateError."""
        ...

    async def find(self, object_id: str) -> Bound | None:
        """Tell whose an object is; None for one that is nobody's here. Raises StateError."""
        ...

    async def forget(self, object_id: str) -> None:
        """Note that an object is gone. Raises StateError."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """An upstream that may be able to count the tokens of a conversation, at no cost."""

    async def count_tokens(self, call: UpstreamCall) -> Answer | None:
        """Count, in the dialect of the call; None when it cannot; raises UpstreamError."""
        ...


class HttpAnswer(Protocol):
    """An answer whose head has arrived."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def connect_s(self) -> float | None:
        """Seconds that making a connection took; None: there was one."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers; a name is found however it is spelt."""
        ...

    async def read(self, limit_bytes: int) -> bytes:
        """Read the whole body; raises UpstreamMalformed beyond the limit."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives; raises UpstreamTimeout on a gap, UpstreamCut."""
        ...

    async def close(self) -> None:
        """Drop the connection if the body has not been read to its end."""
        ...


class Http(Protocol):
    """A pooled HTTP client for one upstream, with that upstream's timeouts and trust."""

    async def open(self) -> None:
        """Build the client; no connection is made."""
        ...

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpAnswer:
        """Send one request below the base URL; returns when the head of the answer is there.

        Raises UpstreamUnreachable, UpstreamTimeout. A cancelled call closes its connection.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Stored(msgspec.Struct, frozen=True):
    """A cached answer: whole, complete, in the dialect in which it was asked for."""

    answer: Answer
    stored_at: float
    """Seconds since the epoch."""
    ttl_s: float


class CacheStore(Protocol):
    """Answers by key, bounded by bytes; what was used longest ago goes first."""

    def get(self, key: bytes) -> Stored | None:
        """Give the entry, fresh or not."""
        ...

    def put(self, key: bytes, entry: Stored) -> None:
        """Keep an entry; one larger than the whole bound is not kept."""
        ...

    def clear(self) -> int:
        """Forget everything; gives the number of entries there were."""
        ...


class Journal(Protocol):
    """Where a record is made safe before the last byte of its answer leaves."""

    def append(self, record: Record) -> None:
        """Append by one write; never blocks on a lock or the network.

        Keeps a bounded number in memory while the disk refuses, then counts what is lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over a group of records; money in micro-USD, times in seconds."""

    group: str
    requests: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int
    estimated: int
    p50_s: float
    p99_s: float


class Ledger(Protocol):
    """Records that have been moved into the store, for reading."""

    def tail(self, count: int) -> Sequence[Record]:
        """Give the newest records, oldest of them first."""
        ...

    def find(self, request_id: str) -> Record | None:
        """Give one record, or None."""
        ...

    def totals(self, by: str, since: float | None = None) -> Sequence[Total]:
        """Sum by `source`, `tier`, `tenant`, `model`, `upstream` or `surface`."""
        ...


class GuaranteeStore(Protocol):
    """Guarantees and the attempts behind them; every call is durable when it returns.

    Raises StateError where the store cannot be used.
    """

    def load(self, task: str) -> Guarantee | None:
        """Give the newest guarantee of a task, whatever its state and bundle."""
        ...

    def history(self, task: str, count: int) -> Sequence[Guarantee]:
        """Give the last verdicts on a task, newest first."""
        ...

    def save(self, guarantee: Guarantee, ledger: AttemptLedger | None = None) -> None:
        """Make a guarantee the newest of its task, and the ledger with it, or neither.

        Without a ledger that of the task stays: a suspension is no attempt.
        """
        ...

    def ledger(self, task: str) -> AttemptLedger:
        """Give the attempts of a task; an empty ledger when there were none."""
        ...

    def spend(self, task: str, before: AttemptLedger, after: AttemptLedger) -> None:
        """Write down an attempt before a test row is looked at.

        Raises StateError when the stored ledger is no longer `before`: another test has begun.
        """
        ...


class LabelStore(Protocol):
    """Label rows of traffic, sealed under their tenants' keys; bounded.

    Raises StateError where the store cannot be used.
    """

    def add(self, rows: Sequence[LabelRow]) -> int:
        """Store rows that are not there yet, all or none; gives how many are new."""
        ...

    def owners(self) -> Sequence[Owner]:
        """List whose labels there are."""
        ...

    def counts(self, owner: Owner, encoder: str) -> LabelCounts:
        """Count the labelled rows of one owner and encoder."""
        ...

    def rows(self, owner: Owner, encoder: str, since: float = 0.0) -> Sequence[LabelRow]:
        """Give the labelled rows of one owner and encoder received after `since`, oldest first."""
        ...


class LabelSink(Protocol):
    """Where finished label rows go: a bounded queue before the store. Never waits, never raises."""

    def takes(self, owner: Owner, question: Question) -> bool:
        """Tell whether labels of this owner are kept; there may be too many tasks already."""
        ...

    def offer(self, row: LabelRow) -> None:
        """Take one row; what the queue has no room for is counted as lost."""
        ...

    def answered(self, row: LabelRow) -> None:
        """Take one local answer that feedback may label; no label by itself."""
        ...

    def repeated(self, owner: Owner, model: str, *, is_other: bool) -> None:
        """Count one request that the upstream answered twice, and whether it differed."""
        ...


class Log(Protocol):
    """Lines for operators; never raises, never holds request text or keys."""

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Write one line with a short fixed name, as in `"config.reloaded", generation=2`."""
        ...

    def access(self, record: Record) -> None:
        """Write the access line of one request."""
        ...

    def lines(self, lines: bytes) -> None:
        """Write whole lines as they are."""
        ...
