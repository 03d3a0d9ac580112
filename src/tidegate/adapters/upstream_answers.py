"""What all upstreams read the same way from an HTTP answer: its status, its body, `Retry-After`."""

import asyncio
import math
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

from tidegate.errors import UpstreamError, UpstreamMalformed, UpstreamStatus
from tidegate.ports.http import HttpAnswer

ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
"""A whole answer; 2,048 embeddings of 1,536 dimensions take about 40 MiB as JSON numbers."""

EVENT_LIMIT_BYTES = 16 * 1024 * 1024
"""One event of a stream; an image or an audio clip may be in it."""

ERROR_LIMIT_BYTES = 64 * 1024
"""The body of an error, kept for relaying a client's mistake in the upstream's own words."""

_SUCCESS = range(200, 300)
_LONGEST_WAIT_S = 86_400.0
_FRAMING_S = 0.05


async def accept(
    answer: HttpAnswer, upstream: str, *, now: float, is_clients_credential: bool
) -> None:
    """Raise UpstreamStatus for anything but success, with the body as far as it can be had."""
    if answer.status in _SUCCESS:
        return
    retry_after = answer.headers.get("retry-after")
    try:
        body = await answer.read(ERROR_LIMIT_BYTES)
    except UpstreamError:
        # The status says enough; a broken or endless error page adds nothing.
        body = b""
    raise UpstreamStatus(
        upstream,
        answer.status,
        body=body,
        retry_after_s=None if retry_after is None else read_retry_after(retry_after, now),
        is_clients_credential=is_clients_credential,
    )


async def require_event_stream(answer: HttpAnswer, upstream: str) -> None:
    """Raise UpstreamMalformed for an answer that is not a stream of events."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        await answer.close()
        raise UpstreamMalformed(
            upstream, f"answered a stream with {kind or 'no content type'!r}, not event-stream"
        )


async def finish_reading(chunks: AsyncIterator[bytes]) -> None:
    """Read past the end of a stream that is over, so that its connection can be used again.

    Between the last event and the end of the body there is nothing but framing, often in the same
    packet; a server that leaves it open longer is not waited for.
    """
    try:
        async with asyncio.timeout(_FRAMING_S):
            async for _ in chunks:
                pass
    except (TimeoutError, UpstreamError):
        return


def forbids_storing(answer: HttpAnswer) -> bool:
    """Tell whether the upstream said `Cache-Control: no-store`."""
    return "no-store" in answer.headers.get("cache-control", "").lower()


def read_retry_after(value: str, now: float) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3), seconds or a date, as seconds from `now`."""
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    # A date in the past means now; `float` also reads "nan" and "inf".
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _LONGEST_WAIT_S)
