"""Child processes of a benchmark: started, watched through /proc, and always ended.

Each child leads a session of its own, so that Ctrl-C reaches the benchmark alone, which then ends
every child with its descendants. Output goes to files: a pipe that nobody drains would stop it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.errors import BenchmarkError

STOP_S = 5.0
POLL_S = 0.02
LAST_WORDS_CHARS = 300
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Child:
    """A running child process."""

    name: str
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def cpu_s(self) -> float:
        """CPU seconds used so far by it and its living descendants."""
        return sum(_cpu_s(pid) for pid in _members(self.process.pid))

    def rss_mb(self) -> float:
        """Resident megabytes (10^6) of it and its descendants; shared pages count in each."""
        return sum(_rss_bytes(pid) for pid in _members(self.process.pid)) / 1e6

    def check_alive(self) -> None:
        """Raise where it has ended."""
        code = self.process.poll()
        if code is not None:
            raise BenchmarkError(f"{self.name} ended with code {code}: {self.last_words()}")

    def line_with(self, text: str, *, timeout_s: float) -> str:
        """First complete line on its stdout that holds `text`."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            *lines, _ = self.out.read_text(encoding="utf-8").split("\n")
            for line in lines:
                if text in line:
                    return line
            self.check_alive()
            time.sleep(POLL_S)
        raise BenchmarkError(
            f"{self.name} was not ready within {timeout_s:g} s: {self.last_words()}"
        )

    def wait_for_port(self, port: int, *, timeout_s: float) -> None:
        """Return as soon as it accepts connections on loopback `port`."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            self.check_alive()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                return
            time.sleep(POLL_S)
        raise BenchmarkError(
            f"{self.name} did not listen on port {port} within {timeout_s:g} s: {self.last_words()}"
        )

    def last_words(self) -> str:
        """Last line that it wrote, errors before output, shortened."""
        for file in (self.err, self.out):
            lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
            spoken = [line.strip() for line in lines if line.strip()]
            if spoken:
                return spoken[-1][:LAST_WORDS_CHARS]
        return "it wrote nothing"


@contextmanager
def started(name: str, command: Sequence[str], folder: Path) -> Iterator[Child]:
    """Run `command` for the length of the block, its output in files under `folder`."""
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise BenchmarkError(f"{name} cannot be started: {error}") from error
    try:
        yield Child(name, process, out, err)
    finally:
        _end(process)


def free_port() -> int:
    """A loopback port that was free a moment ago, for programs that cannot bind port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    members = _members(process.pid)
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    # Some may have outlived their leader, in its group or in one of their own.
    _signal_group(process.pid, signal.SIGKILL)
    for pid in members - {process.pid}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + STOP_S
    while _is_any_alive(members) and time.monotonic() < until:
        time.sleep(POLL_S)


def _signal_group(leader: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, how)


def _members(leader: int) -> set[int]:
    """Give those of its session, and those below them that opened sessions of their own."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    stats = {pid: stat for pid in pids if (stat := _stat(pid))}
    found = {pid for pid, stat in stats.items() if int(stat[3]) == leader}
    while below := {pid for pid, stat in stats.items() if int(stat[1]) in found} - found:
        found |= below
    return found


def _is_any_alive(pids: Iterable[int]) -> bool:
    stats = [_stat(pid) for pid in pids]
    return any(stat and stat[0] != "Z" for stat in stats)


def _cpu_s(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / _TICKS_PER_S if stat else 0.0


def _stat(pid: int) -> list[str]:
    # Fields of proc(5) from the third, `state`, on: the name before them may hold spaces.
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _rss_bytes(pid: int) -> int:
    try:
        statm = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(statm.split()[1]) * _PAGE_BYTES
