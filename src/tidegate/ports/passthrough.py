"""What is passed on as it is, and whose the objects are that lie with upstreams."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tidegate.domain.passed import Bound
from tidegate.ports.http import HttpAnswer


@dataclass(frozen=True, slots=True)
class PassedCall:
    """A request that an upstream is sent as it is."""

    method: str
    path: str
    """Below the base URL, made of checked parts."""
    body: bytes
    content_type: str
    traceparent: str | None = None
    tracestate: str | None = None
    """What vendors on the way noted beside `traceparent` (W3C); goes where that goes."""
    credential: str | None = None
    """The client's own, for upstreams set to `passthrough`."""


@runtime_checkable
class Passthrough(Protocol):
    """An upstream that requests can be passed on to as they are."""

    async def pass_on(self, call: PassedCall) -> HttpAnswer:
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
