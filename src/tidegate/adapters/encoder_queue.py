"""Threads that encode, and the bounded queue before them: one text a turn, first come first served.

A text whose caller has left or whose deadline has passed leaves without a run. The event loop only
puts a turn into the queue and is woken once, when the turn is over.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from tidegate.domain.encoding import Encoding, Wants
from tidegate.errors import DeadlineExceeded, EngineError, EngineOverloaded

WHERE = "the encoder"
SHELLS = 2
"""Those who left give their place back at once, but what is left of their turn stays in the queue
until a thread comes by, or until the queue holds this many times its places and is swept."""


@dataclass(slots=True, eq=False)
class Turn:
    """One text on its way through the queue. Only the event loop's thread writes to it."""

    text: str
    wants: Wants
    deadline: float | None
    """Monotonic seconds."""
    queued_at: float
    answer: asyncio.Future[Encoding]
    loop: asyncio.AbstractEventLoop
    is_wanted: bool = True

    def check(self) -> None:
        """Raise DeadlineExceeded when nobody waits for this turn any more."""
        is_late = self.deadline is not None and self.deadline <= time.monotonic()
        if is_late or not self.is_wanted:
            raise DeadlineExceeded(WHERE)

    def expire(self) -> None:
        """Answer that it is too late; whoever waits leaves."""
        if not self.answer.done():
            self.answer.set_exception(DeadlineExceeded(WHERE))


class EncoderQueue:
    """Runs turns in threads of its own; build, `start`, use, `close`."""

    def __init__(self, name: str, *, threads: int, places: int) -> None:
        """`places` is how many turns may wait beside those that run."""
        self._name = name
        self._threads = threads
        self._places = places
        self._queue: SimpleQueue[Turn | None] = SimpleQueue()
        self._workers: list[Thread] = []
        self._pending = 0

    @property
    def pending(self) -> int:
        """Turns that wait or run and are still wanted."""
        return self._pending

    def start(self, run: Callable[[Turn], Encoding]) -> None:
        """Begin to take turns; `run` is called in several threads at once."""
        self._workers = [
            Thread(target=self._work, args=(run,), name=f"encoder-{number}", daemon=True)
            for number in range(self._threads)
        ]
        for worker in self._workers:
            worker.start()

    async def take(self, text: str, wants: Wants, deadline: float | None) -> Encoding:
        """Wait for the turn of a text and give what came out.

        Raises EngineOverloaded when no place is free, DeadlineExceeded, and what `run` raises.
        """
        now = time.monotonic()
        if deadline is not None and deadline <= now:
            raise DeadlineExceeded(WHERE)
        most = self._threads + self._places
        if self._pending >= most:
            raise EngineOverloaded(self._name, self._places)
        if self._queue.qsize() >= SHELLS * most:
            self._sweep()
        loop = asyncio.get_running_loop()
        turn = Turn(text, wants, deadline, now, loop.create_future(), loop)
        timer = None if deadline is None else loop.call_at(deadline, turn.expire)
        self._pending += 1
        self._queue.put(turn)
        try:
            return await turn.answer
        finally:
            self._pending -= 1
            turn.is_wanted = False
            turn.text = ""
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Finish the turns that run and refuse those that wait."""
        for turn in self._emptied():
            _tell(turn, EngineError("the encoder was closed"))
        for _ in self._workers:
            self._queue.put(None)
        for worker in self._workers:
            worker.join()
        self._workers = []

    def _sweep(self) -> None:
        """Take out what those who left have left behind; the others keep their order."""
        for turn in self._emptied():
            if turn.is_wanted:
                self._queue.put(turn)

    def _emptied(self) -> list[Turn]:
        found = []
        with suppress(Empty):
            while True:
                turn = self._queue.get_nowait()
                if turn is not None:
                    found.append(turn)
        return found

    def _work(self, run: Callable[[Turn], Encoding]) -> None:
        while (turn := self._queue.get()) is not None:
            if not turn.is_wanted:
                continue
            try:
                turn.check()
                outcome: Encoding | Exception = run(turn)
            # Whatever it is, the caller gets it and the thread goes on to the next turn.
            except Exception as error:  # noqa: BLE001
                outcome = error
            _tell(turn, outcome)


def _tell(turn: Turn, outcome: Encoding | Exception) -> None:
    """Wake the caller; its loop may have ended in the meantime."""
    with suppress(RuntimeError):
        turn.loop.call_soon_threadsafe(_settle, turn.answer, outcome)


def _settle(answer: asyncio.Future[Encoding], outcome: Encoding | Exception) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
