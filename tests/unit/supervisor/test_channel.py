"""The pipe between supervisor and worker."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from tidegate.errors import WorkerLost
from tidegate.supervisor.channel import MOST_BYTES, Channel, answer, next_order, urge
from tidegate.supervisor.messages import (
    Abandon,
    Adopt,
    Begin,
    Done,
    Look,
    Order,
    Refused,
    Stop,
    Text,
)

Worker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def asking(
    worker: Worker, on_urgent: Callable[[], None] | None = None
) -> AsyncIterator[Channel]:
    ours, theirs = socket.socketpair()
    channel = Channel(*await asyncio.open_unix_connection(sock=ours), on_urgent)
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(channel.read())
        working = tasks.create_task(worker(reader, writer))
        yield channel
        working.cancel()
        writer.close()
        await reading


async def test_answers_find_their_orders_in_any_sequence() -> None:
    async def backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        orders = [await next_order(reader) for _ in range(3)]
        for one in reversed(orders):
            assert isinstance(one.order, Adopt)
            answer(writer, one.number, Refused(str(one.order.generation), is_setting=False))

    async with asking(backwards) as channel:
        got = await asyncio.gather(*(channel.ask(Adopt(i), 5.0) for i in range(3)))

    assert got == [Refused(str(i), is_setting=False) for i in range(3)]


async def test_a_worker_speaks_unasked_and_takes_no_answers_place() -> None:
    urgent: list[bool] = []

    async def urges(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ordered = await next_order(reader)
        urge(writer)
        answer(writer, ordered.number, Refused("why", is_setting=False))

    async with asking(urges, lambda: urgent.append(True)) as channel:
        assert await channel.ask(Look(), 5.0) == Refused("why", is_setting=False)

    assert urgent == [True]


async def test_every_order_arrives_as_it_was_sent() -> None:
    text = Text(b"a: \xff", "tidegate.yaml", "/etc")
    orders: list[Order] = [
        Begin(1, text, "/state", 3, "json"),
        Abandon("why"),
        Look(),
        Stop(hurry=True),
    ]
    seen = []

    async def notes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            ordered = await next_order(reader)
            seen.append(ordered.order)
            answer(writer, ordered.number, Done())

    async with asking(notes) as channel:
        for order in orders:
            assert await channel.ask(order, 5.0) == Done()

    assert seen == orders


async def test_a_worker_that_is_gone_fails_who_waits_and_who_asks_later() -> None:
    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_order(reader)
        writer.close()

    async with asking(leaves) as channel:
        with pytest.raises(WorkerLost, match="gone"):
            await channel.ask(Look(), 5.0)
        with pytest.raises(WorkerLost, match="gone"):
            await channel.ask(Look(), 5.0)


async def test_silence_has_an_end() -> None:
    async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await next_order(reader)
        await asyncio.Event().wait()

    async with asking(is_silent) as channel:
        with pytest.raises(WorkerLost, match="did not answer within"):
            await channel.ask(Look(), 0.01)


@pytest.mark.parametrize(
    "sent",
    [struct.pack("<I", MOST_BYTES + 1), struct.pack("<I", 3) + b"abc", struct.pack("<I", 9) + b"a"],
    ids=["too long", "nonsense", "cut"],
)
async def test_what_cannot_be_understood_is_the_end(sent: bytes) -> None:
    async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next_order(reader)
        writer.write(sent)
        writer.close()

    async with asking(babbles) as channel:
        with pytest.raises(WorkerLost):
            await channel.ask(Look(), 5.0)
