"""The cache stage: answers a request from an earlier one, or has it wait for one under way."""

import asyncio

import msgspec

from tidegate.cache.exact import is_fresh, permission
from tidegate.cache.key import exact_key
from tidegate.domain.answer import Answer
from tidegate.errors import DeadlineExceeded, NoAnswer, TidegateError, UpstreamStatus
from tidegate.gateway.flights import Flight, Flights, Landing
from tidegate.gateway.record import Draft
from tidegate.ports.cache import CacheStore, Stored
from tidegate.ports.clock import Clock


class Ticket(msgspec.Struct, frozen=True):
    """What a request that found nothing may do with the answer that it gets."""

    key: bytes | None
    """None: it may not be stored."""
    ttl_s: float = 0.0
    flight: Flight | None = None
    """Set when others may be waiting; then exactly one of `store`, `fail`, `leave` must follow."""


NO_TICKET = Ticket(None)


class Repeats:
    """Looks up and stores answers for the pipeline."""

    def __init__(self, clock: Clock, store: CacheStore) -> None:
        """`store` keeps the answers, with a bound of its own."""
        self._clock = clock
        self._store = store
        self._flights = Flights()

    async def look_up(self, draft: Draft) -> Stored | Ticket:
        """Find an earlier answer, or get the ticket for storing the coming one."""
        request = draft.request
        if draft.route is None:
            return NO_TICKET
        policy = draft.route.cache_policy(request.surface)
        allowed = permission(request, policy)
        draft.cache = allowed.state
        draft.cache_ttl_s = policy.ttl_s
        if not (allowed.may_read or allowed.may_store):
            return NO_TICKET
        started = self._clock.monotonic()
        content = draft.generation.answer_content[draft.route.name]
        key = exact_key(request, content=content)
        try:
            if not allowed.may_read:
                return Ticket(key, policy.ttl_s)
            return await self._find_or_board(draft, key, policy.ttl_s)
        finally:
            draft.cache_s = self._clock.monotonic() - started

    def store(self, ticket: Ticket, answer: Answer) -> None:
        """Keep a complete, successful answer and let those who wait have it."""
        landing = Landing.UNSHARED
        if ticket.key is not None and answer.may_store:
            entry = Stored(answer, self._clock.now(), ticket.ttl_s)
            self._store.put(ticket.key, entry)
            landing = Landing.STORED
        if ticket.flight is not None:
            self._flights.land(ticket.flight, landing)

    def fail(self, ticket: Ticket, error: TidegateError) -> None:
        """Share a failure with those who wait; what was only this request's own is not."""
        if ticket.flight is not None:
            self._flights.land(ticket.flight, Landing.LEFT if _is_own(error) else error)

    def leave(self, ticket: Ticket) -> None:
        """Hand over to one of those who wait, because this request's client has left."""
        if ticket.flight is not None:
            self._flights.land(ticket.flight, Landing.LEFT)

    async def _find_or_board(self, draft: Draft, key: bytes, ttl_s: float) -> Stored | Ticket:
        waited = False
        while True:
            entry = self._store.get(key)
            now = self._clock.now()
            if entry is not None and _may_repeat(draft, entry, now):
                draft.cache = "shared" if waited else "hit"
                draft.cache_age_s = now - entry.stored_at
                return entry
            flight, leads = self._flights.board(key)
            if leads:
                return Ticket(key, ttl_s, flight)
            landing = await self._wait(draft, flight)
            waited = True
            if isinstance(landing, TidegateError):
                raise landing
            if landing is Landing.UNSHARED:
                return Ticket(key, ttl_s)

    async def _wait(self, draft: Draft, flight: Flight) -> Landing | TidegateError:
        try:
            async with asyncio.timeout(draft.deadline - self._clock.monotonic()):
                return await self._flights.wait(flight)
        except TimeoutError as error:
            raise DeadlineExceeded("an identical request", draft.allowed_s) from error


def _may_repeat(draft: Draft, entry: Stored, now: float) -> bool:
    """Tell whether it is fresh, and no part of it was promised by what was suspended since."""
    watch = draft.generation.learned.watch
    return is_fresh(entry, draft.request.context.cache, now) and watch.allows(entry.answer.promised)


def _is_own(error: TidegateError) -> bool:
    """Tell whether another request with the same body could fare better.

    Its own were the time that it had left and the credential that its client brought.
    """
    if isinstance(error, NoAnswer) and isinstance(error.last, UpstreamStatus):
        return error.last.is_clients_credential
    return isinstance(error, DeadlineExceeded)
