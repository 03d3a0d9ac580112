import asyncio
from dataclasses import replace

import pytest

from tests.unit.gateway.fakes import (
    FakeUpstream,
    ManualClock,
    a_draft,
    a_generation,
    a_request,
    answer,
)
from tidegate.adapters.stores.memory_cache import MemoryCache
from tidegate.domain.request import CacheWish
from tidegate.errors import DeadlineExceeded, NoAnswer, TidegateError, UpstreamStatus
from tidegate.gateway.record import Draft
from tidegate.gateway.repeat import Repeats, Ticket
from tidegate.ports.cache import Stored

HOUR = 3_600.0


def repeats(clock: ManualClock) -> Repeats:
    return Repeats(clock, MemoryCache(1 << 20))


def draft(wish: CacheWish | None = None, tenant: str = "default", *, cached: bool = True) -> Draft:
    generation = a_generation(FakeUpstream(), cached=cached)
    return a_draft(generation, a_request(wish=wish, tenant=tenant))


async def boarded(under: Repeats, one: Draft) -> Ticket:
    found = await under.look_up(one)
    assert isinstance(found, Ticket)
    return found


async def test_an_answer_is_repeated_until_its_time_is_over() -> None:
    clock = ManualClock()
    under = repeats(clock)
    under.store(await boarded(under, draft()), answer())

    clock.wall += HOUR - 1
    fresh = draft()
    assert isinstance(await under.look_up(fresh), Stored)
    assert (fresh.cache, fresh.cache_age_s) == ("hit", HOUR - 1)
    clock.wall += 1
    assert isinstance(await under.look_up(draft()), Ticket)


async def test_the_client_may_ask_for_a_younger_one() -> None:
    clock = ManualClock()
    under = repeats(clock)
    under.store(await boarded(under, draft()), answer())
    clock.wall += 60

    assert isinstance(await under.look_up(draft(CacheWish(max_age_s=61))), Stored)
    assert isinstance(await under.look_up(draft(CacheWish(max_age_s=60))), Ticket)


async def test_an_answer_from_the_future_is_not_repeated() -> None:
    clock = ManualClock()
    under = repeats(clock)
    under.store(await boarded(under, draft()), answer())
    clock.wall -= 1

    assert isinstance(await under.look_up(draft()), Ticket)


async def test_where_the_cache_is_off_nobody_waits_for_anybody() -> None:
    under = repeats(ManualClock())

    tickets = [await boarded(under, draft(cached=False)) for _ in range(2)]

    assert {(ticket.key, ticket.flight) for ticket in tickets} == {(None, None)}


async def test_tenants_do_not_share() -> None:
    under = repeats(ManualClock())
    under.store(await boarded(under, draft()), answer())

    assert isinstance(await under.look_up(draft(tenant="acme")), Ticket)


async def test_what_waits_finds_the_answer_and_says_so() -> None:
    under = repeats(ManualClock())
    ticket = await boarded(under, draft())
    follower = draft()
    waiting = asyncio.create_task(under.look_up(follower))
    await asyncio.sleep(0)

    under.store(ticket, answer())

    assert isinstance(await waiting, Stored)
    assert follower.cache == "shared"


async def test_an_answer_that_may_not_be_stored_sends_all_on_their_own_way() -> None:
    under = repeats(ManualClock())
    ticket = await boarded(under, draft())
    waiting = [asyncio.create_task(under.look_up(draft())) for _ in range(3)]
    await asyncio.sleep(0)

    under.store(ticket, answer(may_store=False))

    found = await asyncio.gather(*waiting)
    assert all(isinstance(one, Ticket) and one.flight is None for one in found)


async def test_when_the_leader_leaves_exactly_one_takes_over() -> None:
    under = repeats(ManualClock())
    ticket = await boarded(under, draft())
    waiting = [asyncio.create_task(under.look_up(draft())) for _ in range(3)]
    await asyncio.sleep(0)

    under.leave(ticket)
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    (taken,) = [one.result() for one in done]
    assert isinstance(taken, Ticket)
    assert len(others) == 2
    under.store(taken, answer())
    assert all(isinstance(one, Stored) for one in await asyncio.gather(*others))


async def test_a_failure_is_shared() -> None:
    under = repeats(ManualClock())
    ticket = await boarded(under, draft())
    waiting = asyncio.create_task(under.look_up(draft()))
    await asyncio.sleep(0)
    error = NoAnswer("failed", "down")

    under.fail(ticket, error)

    with pytest.raises(NoAnswer, match="down"):
        await waiting


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceeded("an upstream"),
        NoAnswer("failed", "no", last=UpstreamStatus("far", 401, is_clients_credential=True)),
    ],
    ids=["its deadline", "its credential"],
)
async def test_what_failed_for_the_leader_alone_is_not_shared(error: TidegateError) -> None:
    under = repeats(ManualClock())
    ticket = await boarded(under, draft())
    waiting = asyncio.create_task(under.look_up(draft()))
    await asyncio.sleep(0)

    under.fail(ticket, error)

    found = await waiting
    assert isinstance(found, Ticket)
    assert found.flight is not None


async def test_a_follower_waits_no_longer_than_its_deadline() -> None:
    clock = ManualClock()
    under = repeats(clock)
    await boarded(under, draft())
    late = draft()
    late.deadline = clock.monotonic()

    with pytest.raises(DeadlineExceeded):
        await under.look_up(late)


async def test_no_store_neither_reads_nor_waits_but_is_told() -> None:
    under = repeats(ManualClock())
    one = draft(CacheWish(may_read=False, may_store=False))

    ticket = await boarded(under, one)

    assert (ticket.key, ticket.flight, one.cache) == (None, None, "bypass")
    assert one.cache_ttl_s == HOUR


async def test_another_configuration_of_the_route_is_another_key() -> None:
    under = repeats(ManualClock())
    under.store(await boarded(under, draft()), answer())
    other = draft()
    other.generation = replace(other.generation, answer_content={"assistant": "changed"})

    assert isinstance(await under.look_up(other), Ticket)
