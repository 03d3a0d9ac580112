"""One worker as the supervisor sees it: a process, a pipe to it, and what it last reported."""

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tidegate import __version__
from tidegate.errors import ConfigError, WorkerFailed, WorkerLost
from tidegate.supervisor.channel import Channel
from tidegate.supervisor.messages import Answer, Begin, Order, Ready, Refused, Report

MODULE = "tidegate.supervisor.worker"

State = Literal["starting", "serving", "ended"]


@dataclass(slots=True, eq=False)
class Member:
    """A place for a worker; processes come and go in it."""

    number: int
    on_urgent: Callable[[], None] | None = None
    """Called when the worker has seen what takes a guarantee back."""
    state: State = "ended"
    starts: int = 0
    ready: Ready | None = None
    """What it serves."""
    report: Report | None = None
    endings: list[float] = field(default_factory=list)
    """Monotonic seconds."""
    _process: Process | None = None
    _channel: Channel | None = None
    _reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, if there is a process."""
        return None if self._process is None else self._process.pid

    async def spawn(self, sockets: Sequence[socket.socket]) -> None:
        """Start a fresh interpreter: sessions of the encoder do not survive a fork."""
        ours, theirs = socket.socketpair()
        with theirs:
            passed = [theirs.fileno(), *(one.fileno() for one in sockets)]
            try:
                # A session of its own: Ctrl-C on the terminal is the supervisor's to act on.
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", MODULE, __version__, *map(str, passed)),
                    stdin=DEVNULL,
                    pass_fds=passed,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise WorkerLost(f"it cannot be started: {error.strerror}") from error
        self.state = "starting"
        self.starts += 1
        self.report = None
        streams = await asyncio.open_unix_connection(sock=ours)
        self._channel = Channel(*streams, self.on_urgent)
        self._reading = asyncio.create_task(self._channel.read())

    async def begin(self, begin: Begin, timeout_s: float) -> None:
        """Have it build everything; raises ConfigError, WorkerFailed or WorkerLost."""
        self.ready = understood(await self.ask(begin, timeout_s))

    async def ask(self, order: Order, timeout_s: float) -> Answer:
        """Give an order and wait for the answer; raises WorkerLost."""
        if self._channel is None:
            raise WorkerLost("it is not there")
        return await self._channel.ask(order, timeout_s)

    async def ended(self) -> str:
        """Wait for the end of the process and tell how it came."""
        if self._process is None:
            return "it was not started"
        code = await self._process.wait()
        self.state = "ended"
        if self._channel is not None:
            self._channel.close()
        if self._reading is not None:
            await self._reading
        return _how(code)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def understood(answer: Answer) -> Ready:
    """Give what a worker has built; raises when it refused."""
    match answer:
        case Ready():
            return answer
        case Refused(why, is_setting):
            raise ConfigError(why) if is_setting else WorkerFailed(why)
        case _:
            raise WorkerLost(f"it answered with {type(answer).__name__}")


def _how(code: int) -> str:
    if code >= 0:
        return f"it ended with status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
