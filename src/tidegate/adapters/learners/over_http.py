"""A task's learner as another Tidegate's data listener offers it, below `/v1/learning/`.

Implements `ports.exchange.TaskLearner`. It translates and does not decide: when to call, what may
travel and what is taken over is the caller's.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from tidegate.adapters.upstream_answers import accept
from tidegate.domain.exchange import AuditReport, Offers
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.question import Question
from tidegate.domain.secret import Secret
from tidegate.errors import MalformedAnswer, UpstreamMalformed
from tidegate.ports.clock import Clock
from tidegate.ports.http import Http, HttpAnswer
from tidegate.wire.exchange import (
    decode_offers,
    decode_taken,
    encode_counts,
    encode_labels,
    encode_purge,
)

ANSWER_BYTES = 1 << 20
OFFERS_BYTES = 16 << 20
ARCHIVE_BYTES = (256 << 20) + (1 << 16)
"""A bundle's files at most, and the heads of the archive."""

_NOT_MODIFIED = 304


class LearnerOverHttp:
    """One learner; `http` knows its URL, its trust and its timeouts."""

    def __init__(self, name: str, *, secret: Secret | None, http: Http, clock: Clock) -> None:
        """`name` is that of the upstream in the configuration."""
        self._name = name
        self._http = http
        self._clock = clock
        self._is_open = False
        self._headers = {"user-agent": "tidegate"}
        if secret is not None:
            self._headers["authorization"] = f"Bearer {secret.reveal()}"

    async def offers(self, zone: str, known: str | None) -> tuple[Offers, str] | None:
        """Give what it has for a node of this zone, and its tag; None: still what `known` names."""
        headers = {} if known is None else {"if-none-match": known}
        path = f"/learning/tasks?zone={quote(zone, safe='')}"
        answer = await self._ask("GET", path, headers)
        if answer.status == _NOT_MODIFIED:
            await answer.close()
            return None
        body = await self._read(answer, OFFERS_BYTES)
        try:
            return decode_offers(body), answer.headers.get("etag", "")
        except MalformedAnswer as error:
            raise UpstreamMalformed(self._name, str(error)) from error

    async def bundle(self, zone: str, name: str, version: str) -> bytes:
        """Give one version of a bundle as an archive."""
        path = f"/learning/bundles/{quote(name)}/{quote(version)}?zone={quote(zone, safe='')}"
        answer = await self._ask("GET", path, {})
        return await self._read(answer, ARCHIVE_BYTES)

    async def take_labels(self, owner: Owner, question: Question, rows: Sequence[LabelRow]) -> int:
        """Have it store rows of one tenant and one encoder; gives how many were new to it."""
        body = encode_labels(owner, question, rows)
        said = await self._post("/learning/labels", rows[0].tenant, body)
        try:
            return decode_taken(said)
        except MalformedAnswer as error:
            raise UpstreamMalformed(self._name, str(error)) from error

    async def take_counts(self, tenant: str, report: AuditReport, question: Question) -> None:
        """Have it count audits whose rows do not travel."""
        await self._post("/learning/audits", tenant, encode_counts(report, question))

    async def purge(self, tenant: str, purge: Purge) -> None:
        """Have it delete the rows of a tenant that it was sent."""
        await self._post("/learning/purge", tenant, encode_purge(purge))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _post(self, path: str, tenant: str, body: bytes) -> bytes:
        headers = {"content-type": "application/json", "x-tidegate-tenant": tenant}
        answer = await self._ask("POST", path, headers, body)
        return await self._read(answer, ANSWER_BYTES)

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpAnswer:
        if not self._is_open:
            await self._http.open()
            self._is_open = True
        return await self._http.request(
            method, path, headers={**self._headers, **headers}, body=body
        )

    async def _read(self, answer: HttpAnswer, limit_bytes: int) -> bytes:
        """Read an answer whole; raises UpstreamStatus for anything but success."""
        try:
            now = self._clock.now()
            await accept(answer, self._name, now=now, is_clients_credential=False)
            return await answer.read(limit_bytes)
        finally:
            await answer.close()
