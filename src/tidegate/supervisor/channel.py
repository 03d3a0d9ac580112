"""The pipe between supervisor and worker: a length, then one message in MessagePack."""

import asyncio
import struct
from collections.abc import Callable
from typing import TypeVar

import msgspec

from tidegate.errors import WorkerLost
from tidegate.supervisor.messages import Answer, Answered, Done, Order, Ordered

MOST_BYTES = 16 * 1024 * 1024
"""A configuration of 1 MiB, or metrics of some thousand series with all their buckets."""

UNASKED = 0
"""No order has this number: so a worker says that the learner should look at once."""

_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_answers = msgspec.msgpack.Decoder(Answered)
_orders = msgspec.msgpack.Decoder(Ordered)

T = TypeVar("T")


class Channel:
    """The supervisor's end: gives orders and gets an answer to each."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_urgent: Callable[[], None] | None = None,
    ) -> None:
        """Takes over both streams; `read` must run for answers to arrive.

        `on_urgent` is called when the worker says that the learner should look at once.
        """
        self._on_urgent = on_urgent
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._is_closed = False

    async def read(self) -> None:
        """Hand answers to those who wait, until the worker is gone."""
        try:
            while True:
                answered = await _receive(self._reader, _answers)
                if answered.number == UNASKED and self._on_urgent is not None:
                    self._on_urgent()
                waiting = self._waiting.pop(answered.number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answered.answer)
        except WorkerLost as error:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(error)
        finally:
            self.close()

    async def ask(self, order: Order, timeout_s: float) -> Answer:
        """Give an order and wait for its answer; raises WorkerLost."""
        if self._is_closed:
            raise WorkerLost("it is gone")
        self._number += 1
        number = self._number
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        _send(self._writer, Ordered(number, order))
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting
        except TimeoutError as error:
            raise WorkerLost(f"it did not answer within {timeout_s:g} s") from error
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Hang up: the worker stops when it notices."""
        self._is_closed = True
        self._writer.close()


async def next_order(reader: asyncio.StreamReader) -> Ordered:
    """Wait for an order; raises WorkerLost when the supervisor is gone."""
    return await _receive(reader, _orders)


def answer(writer: asyncio.StreamWriter, number: int, given: Answer) -> None:
    """Answer an order; harmless when the supervisor is gone."""
    if not writer.is_closing():
        _send(writer, Answered(number, given))


def urge(writer: asyncio.StreamWriter) -> None:
    """Say, unasked, that the learner should look at once."""
    answer(writer, UNASKED, Done())


def _send(writer: asyncio.StreamWriter, message: Ordered | Answered) -> None:
    content = _encoder.encode(message)
    writer.write(_LENGTH.pack(len(content)) + content)


async def _receive(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[T]) -> T:
    try:
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if size > MOST_BYTES:
            raise WorkerLost(f"a message of {size} bytes, more than {MOST_BYTES}")
        return decoder.decode(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, OSError) as error:
        raise WorkerLost("the other end is gone") from error
    except msgspec.MsgspecError as error:
        raise WorkerLost(f"a message that cannot be read: {error}") from error
