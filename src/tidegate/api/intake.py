"""Takes a request in: authenticates, reads within the limits, decodes; whatever the dialect."""

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.api.arrival import (
    Arrived,
    Headers,
    Limits,
    Receive,
    Scope,
    connection_of,
    context,
    read_body,
)
from tidegate.domain.identity import Identity
from tidegate.domain.request import Ask, Dialect, Request, Surface
from tidegate.errors import TidegateError
from tidegate.gateway.entrance import Entrance
from tidegate.ports.clock import Clock
from tidegate.wire.strict import check

Read = Callable[[bytes, Limits], tuple[str, Ask]]
"""Gives the model's name and what is asked; raises InvalidRequest."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Makes requests of what arrives on the data listener."""

    entrance: Entrance
    clock: Clock
    limits: Callable[[], Limits]
    """Gives those of the configuration in force."""
    on_refusal: Callable[[TidegateError, str], None]
    """Told of requests that were refused before they became one, and so have no record."""

    async def take(
        self,
        request_id: str,
        scope: Scope,
        receive: Receive,
        *,
        surface: Surface,
        dialect: Dialect,
        read: Read,
    ) -> Request:
        """Give the request; a stranger's body is never read. Raises RequestError."""
        try:
            return await self._take(
                request_id, scope, receive, surface=surface, dialect=dialect, read=read
            )
        except TidegateError as error:
            self.on_refusal(error, request_id)
            raise

    def identify(self, headers: Headers) -> Identity:
        """Tell whose request this is; raises Unauthenticated or Forbidden."""
        return self.entrance.identify(headers.key(), headers.get(b"x-tidegate-tenant"))

    async def _take(
        self,
        request_id: str,
        scope: Scope,
        receive: Receive,
        *,
        surface: Surface,
        dialect: Dialect,
        read: Read,
    ) -> Request:
        arrived = Arrived(request_id, self.clock.now(), self.clock.monotonic())
        headers = Headers.of(scope)
        identity = self.identify(headers)
        limits = self.limits()
        connection = connection_of(scope)
        is_here = connection is not None and connection.has_whole_body()
        raw = await read_body(receive, headers, limits, is_here=is_here)
        complete = self.clock.monotonic()
        body = check(raw)
        model, ask = read(body, limits)
        about = context(
            scope,
            headers,
            identity,
            arrived=arrived,
            parse_s=self.clock.monotonic() - complete,
        )
        return Request(
            surface=surface, model=model, body=body, ask=ask, context=about, dialect=dialect
        )
