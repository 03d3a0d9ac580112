"""HTTP as adapters of upstreams speak it."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol


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
