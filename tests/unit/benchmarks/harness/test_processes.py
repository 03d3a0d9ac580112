import os
import sys
from pathlib import Path

import pytest

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.processes import free_port, started

SERVE = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: server.accept()
"""
TWO = """
import subprocess, sys, time
sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(sleeper).pid, flush=True)
time.sleep(60)
"""

APART = """
import subprocess, sys, time
sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(sleeper, start_new_session=True).pid, flush=True)
time.sleep(60)
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def is_running(pid: int) -> bool:
    # A process that ended may stay as a zombie until its adopter collects it.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_awaited_line_is_returned_and_the_process_ended(tmp_path: Path) -> None:
    code = "import time; print('one'); print('ready 7', flush=True); time.sleep(60)"
    with started("one", python(code), tmp_path) as child:
        assert child.line_with("ready", timeout_s=10) == "ready 7"
    assert not is_running(child.process.pid)


def test_descendants_are_counted_and_ended(tmp_path: Path) -> None:
    with started("two", python(TWO), tmp_path) as child:
        descendant = int(child.line_with("", timeout_s=10))
        assert is_running(descendant)
        assert child.rss_mb() > resident_mb(child.process.pid)
        assert child.cpu_s() > 0
    assert not is_running(descendant)


def test_a_descendant_with_a_session_of_its_own_is_counted(tmp_path: Path) -> None:
    with started("apart", python(APART), tmp_path) as child:
        descendant = int(child.line_with("", timeout_s=10))
        assert os.getsid(descendant) == descendant
        assert child.rss_mb() > resident_mb(child.process.pid)
    assert not is_running(descendant)


def test_process_is_ended_when_the_block_raises(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        started("one", python("import time; time.sleep(60)"), tmp_path) as child,
    ):
        raise KeyboardInterrupt
    assert not is_running(child.process.pid)


def test_process_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no such model')"
    with (
        started("one", python(code), tmp_path) as child,
        pytest.raises(BenchmarkError, match="one ended with code 1: no such model"),
    ):
        child.line_with("ready", timeout_s=10)


def test_silent_process_is_told_after_the_timeout(tmp_path: Path) -> None:
    with (
        started("one", python("import time; time.sleep(60)"), tmp_path) as child,
        pytest.raises(BenchmarkError, match=r"one was not ready within 0\.05 s: it wrote nothing"),
    ):
        child.line_with("ready", timeout_s=0.05)


def test_port_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    with started("one", python(SERVE, str(port)), tmp_path) as child:
        child.wait_for_port(port, timeout_s=10)
        child.check_alive()


def test_port_that_stays_closed_is_told(tmp_path: Path) -> None:
    with (
        started("one", python("import time; time.sleep(60)"), tmp_path) as child,
        pytest.raises(BenchmarkError, match="did not listen on port"),
    ):
        child.wait_for_port(free_port(), timeout_s=0.05)


def test_missing_program_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match="one cannot be started"),
        started("one", [str(tmp_path / "absent")], tmp_path),
    ):
        pass
