"""`/v1/learning/...`: where nodes that share this one as learner send labels and pull bundles."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from tidegate.api.arrival import Headers, Receive, Scope, Send, connection_of, read_body
from tidegate.api.headers import Header
from tidegate.api.intake import Intake
from tidegate.api.respond import JSON, send_whole
from tidegate.domain.identity import Identity
from tidegate.errors import InvalidRequest, NoAnswer, TidegateError
from tidegate.fleet.learner_desk import LearnerDesk
from tidegate.wire.exchange import decode_counts, decode_labels, decode_purge, encode_answer
from tidegate.wire.strict import check

AT_ONCE = 4
"""Requests with a body that are worked on at the same time: each holds the label store for a
moment, and labels of this node's own traffic wait behind it."""

TASKS = "/v1/learning/tasks"
LABELS = "/v1/learning/labels"
AUDITS = "/v1/learning/audits"
PURGE = "/v1/learning/purge"
_BUNDLE = re.compile(r"/v1/learning/bundles/(?P<name>[a-z0-9._-]{1,64})/(?P<version>[0-9a-f-]+)")
_METHODS: Mapping[str, tuple[str, ...]] = {
    TASKS: ("GET",),
    LABELS: ("POST",),
    AUDITS: ("POST",),
    PURGE: ("POST",),
}
_NOT_MODIFIED = 304
_MOST_ZONE = 128


def methods_of(path: str) -> tuple[str, ...]:
    """Give the methods that a path of these takes; none where it is no such path."""
    return ("GET",) if _BUNDLE.fullmatch(path) else _METHODS.get(path, ())


@dataclass(slots=True)
class ExchangePaths:
    """Serves them; a stranger's body is never read. None of it has a record: it costs nothing."""

    intake: Intake
    desk: LearnerDesk
    _busy: int = field(default=0)

    async def serve(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: list[Header] = [(b"x-request-id", request_id.encode())]
        try:
            found = Headers.of(scope)
            identity = self.intake.identify(found)
            self.desk.admit(identity)
            if scope["method"] == "GET":
                await self._give(scope, found, headers, send)
                return
            body = await self._take(identity, scope, receive, found)
        except TidegateError as error:
            self.intake.on_refusal(error, request_id)
            raise
        await send_whole(send, 200, body, [JSON, *headers])

    async def _give(self, scope: Scope, found: Headers, headers: list[Header], send: Send) -> None:
        zone = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("zone", "")
        if not zone or len(zone) > _MOST_ZONE:
            raise InvalidRequest("Name the zone of the node that asks: `?zone=NAME`.", param="zone")
        headers.append((b"cache-control", b"no-store"))
        bundle = _BUNDLE.fullmatch(scope["path"])
        if bundle is not None:
            content = await self.desk.bundle(zone, bundle["name"], bundle["version"])
            kind = (b"content-type", b"application/x-tar")
            await send_whole(send, 200, content, [kind, *headers])
            return
        body, tag = self.desk.offers(zone)
        headers.append((b"etag", tag.encode()))
        if found.get(b"if-none-match") == tag:
            await send_whole(send, _NOT_MODIFIED, b"", headers)
        else:
            await send_whole(send, 200, body, [JSON, *headers])

    async def _take(
        self, identity: Identity, scope: Scope, receive: Receive, found: Headers
    ) -> bytes:
        if self._busy >= AT_ONCE:
            raise NoAnswer("overloaded", f"{AT_ONCE} nodes are sending already; try again.")
        self._busy += 1
        try:
            connection = connection_of(scope)
            is_here = connection is not None and connection.has_whole_body()
            limits = self.intake.limits()
            raw = check(await read_body(receive, found, limits, is_here=is_here))
            match scope["path"]:
                case "/v1/learning/labels":
                    return encode_answer(await self.desk.take_labels(identity, decode_labels(raw)))
                case "/v1/learning/audits":
                    return encode_answer(await self.desk.take_counts(identity, decode_counts(raw)))
                case _:
                    return encode_answer(await self.desk.purge(identity, decode_purge(raw)))
        finally:
            self._busy -= 1
