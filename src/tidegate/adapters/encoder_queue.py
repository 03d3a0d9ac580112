"""Threads that encode, and the bounded queue before them: one text a turn, first come first served.

A text whose caller has left or whose deadline has passed leaves without a run. The event loop only
puts a turn into the queue and is woken once, when the turn is over, by the future that carries what
came of it.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore

from tidegate.domain.encoding import Encoding, Wants
from tidegate.errors import DeadlineExceeded, EngineError, EngineOverloaded

WHERE = "the encoder"
SHELLS = 2
"""Those who left give their place back at once, but what is left of their turn stays in the queue
until a thread comes by. With it the queue holds at most this many times its places."""


@dataclass(slots=True, eq=False)
class Turn:
    """One text on its way through the queue. Only the event loop's thread writes to it."""

    text: str
    wants: Wants
    deadline: float | None
    """Monotonic seconds."""
    queued_at: float
    is_wanted: bool = True

    def check(self) -> None:
        """Raise DeadlineExceeded when nobody waits for this turn any more."""
        is_late = self.deadline is not None and self.deadline <= time.monotonic()
        if is_late or not self.is_wanted:
            raise DeadlineExceeded(WHERE)


class EncoderQueue:
    """Runs turns in threads of its own; build, use, `close`."""

    def __init__(
        self, name: str, run: Callable[[Turn], Encoding], *, threads: int, places: int
    ) -> None:
        """`run` is called in several threads at once; `places` turns may wait beside them."""
        self._name = name
        self._run = run
        self._places = places
        self._most = threads + places
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encoder")
        self._held = BoundedSemaphore(SHELLS * self._most)
        self._pending = 0

    @property
    def pending(self) -> int:
        """Turns that wait or run and are still wanted."""
        return self._pending

    async def take(self, text: str, wants: Wants, deadline: float | None) -> Encoding:
        """Wait for the turn of a text and give what came out.

        Raises EngineOverloaded when no place is free, DeadlineExceeded, and what `run` raises.
        """
        now = time.monotonic()
        if deadline is not None and deadline <= now:
            raise DeadlineExceeded(WHERE)
        if self._pending >= self._most or not self._held.acquire(blocking=False):
            raise EngineOverloaded(self._name, self._places)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Encoding] = loop.create_future()

        def over(done: Future[Encoding]) -> None:
            """Wake the caller; its loop may have ended in the meantime."""
            self._held.release()
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, answer, done)

        turn = Turn(text, wants, deadline, now)
        timer = None if deadline is None else loop.call_at(deadline, _expire, answer)
        self._pending += 1
        self._pool.submit(self._in_turn, turn).add_done_callback(over)
        try:
            return await answer
        finally:
            self._pending -= 1
            turn.is_wanted = False
            turn.text = ""
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Finish the turns that run and refuse those that wait."""
        self._pool.shutdown(cancel_futures=True)

    def _in_turn(self, turn: Turn) -> Encoding:
        turn.check()
        return self._run(turn)


def _expire(answer: asyncio.Future[Encoding]) -> None:
    """Answer that it is too late; whoever waits leaves."""
    if not answer.done():
        answer.set_exception(DeadlineExceeded(WHERE))


def _settle(answer: asyncio.Future[Encoding], done: Future[Encoding]) -> None:
    if answer.done():
        return
    if done.cancelled():
        answer.set_exception(EngineError("the encoder was closed"))
        return
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(error)
