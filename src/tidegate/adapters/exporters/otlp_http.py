"""Sends batches of spans to a collector by OTLP over HTTP, as compressed JSON."""

import gzip
from collections.abc import Mapping

from tidegate.adapters.upstream_answers import read_retry_after
from tidegate.domain.trace import Delivery
from tidegate.errors import UpstreamError
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http
from tidegate.wire.otlp import read_rejected

_ANSWER_LIMIT_BYTES = 1 << 20
_FASTEST = 1
"""Spans repeat each other, so that even the fastest level makes them a tenth."""

_OK = 200


class OtlpHttp:
    """One collector; `http` knows its URL, its trust and its timeouts."""

    def __init__(self, http: Http, headers: Mapping[str, str], clock: Clock) -> None:
        """`headers` carry the operator's credentials."""
        self._http = http
        self._clock = clock
        self._is_open = False
        self._headers = {
            **headers,
            "content-type": "application/json",
            "content-encoding": "gzip",
            "user-agent": "tidegate",
        }

    async def send(self, body: bytes) -> Delivery:
        """Post one batch and say what came of it; does not raise for what a collector does."""
        if not self._is_open:
            await self._http.open()
            self._is_open = True
        packed = gzip.compress(body, _FASTEST)
        try:
            answer = await self._http.request("POST", "", headers=self._headers, body=packed)
            said = await answer.read(_ANSWER_LIMIT_BYTES)
        except UpstreamError as error:
            return Delivery(None, message=str(error))
        retry_after = answer.headers.get("retry-after")
        rejected, message = read_rejected(said) if answer.status == _OK else (0, "")
        return Delivery(
            answer.status,
            None if retry_after is None else read_retry_after(retry_after, self._clock.now()),
            rejected,
            message,
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()
