"""What the kernel says about a machine, out of files that a test writes."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.adapters.machine import look_at_machine

CPU = """\
processor\t: 0
model name\t: Some Processor
flags\t\t: fpu avx2 avx512f avx512_vnni sse

processor\t: 1
model name\t: Some Processor
flags\t\t: fpu
"""


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_features_are_read_in_a_fixed_order(tmp_path: Path) -> None:
    written(tmp_path, {"cpu": CPU, "memory": "MemTotal:  2048 kB\nMemFree: 1 kB\n"})

    found = look_at_machine(tmp_path / "cpu", tmp_path / "memory", tmp_path / "x", tmp_path)

    assert found.processor == "Some Processor"
    assert found.features == ("avx2", "avx512f", "avx512_vnni")
    assert found.memory_bytes == 2048 * 1024


def test_features_of_arm_are_known(tmp_path: Path) -> None:
    written(tmp_path, {"cpu": "processor : 0\nFeatures : fp asimd asimddp i8mm\n"})

    found = look_at_machine(tmp_path / "cpu", tmp_path / "x", tmp_path / "x", tmp_path)

    assert found.features == ("asimddp", "i8mm")


def test_the_tightest_limit_of_nested_groups_counts(tmp_path: Path) -> None:
    groups = written(
        tmp_path / "groups",
        {
            "a/cpu.max": "150000 100000\n",
            "a/b/cpu.max": "max 100000\n",
            "a/memory.max": "1073741824\n",
            "a/b/memory.max": "2147483648\n",
        },
    )
    written(tmp_path, {"own": "0::/a/b\n"})

    found = look_at_machine(tmp_path / "x", tmp_path / "x", tmp_path / "own", groups)

    assert (found.cpu_limit, found.memory_limit_bytes) == (1.5, 1 << 30)
    assert found.usable_cores == min(found.cores, 1.5)


def test_version_one_of_control_groups_is_read(tmp_path: Path) -> None:
    groups = written(
        tmp_path / "groups",
        {
            "cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            "memory/box/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/memory.limit_in_bytes": "536870912\n",
        },
    )
    written(tmp_path, {"own": "4:memory:/box\n3:cpu,cpuacct:/box\n"})

    found = look_at_machine(tmp_path / "x", tmp_path / "x", tmp_path / "own", groups)

    assert (found.cpu_limit, found.memory_limit_bytes) == (0.5, 1 << 29)


@pytest.mark.parametrize("text", ["", "0::/../../etc\n", "0::/gone\n"])
def test_what_cannot_be_read_is_no_limit(tmp_path: Path, text: str) -> None:
    written(tmp_path, {"own": text})

    found = look_at_machine(tmp_path / "x", tmp_path / "x", tmp_path / "own", tmp_path / "groups")

    assert (found.cpu_limit, found.memory_limit_bytes, found.memory_bytes) == (None, None, None)
    assert found.features == ()
    assert found.open_files > 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to")
def test_freed_memory_is_given_back() -> None:
    code = """
from pathlib import Path
from tidegate.adapters.machine import give_memory_back
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
blocks = [bytes(1000) for _ in range(50_000)]
last = blocks[-1]  # it lies at the end of the heap, which so cannot shrink by itself
del blocks
before = resident()
give_memory_back()
print(before - resident())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 20_000_000
