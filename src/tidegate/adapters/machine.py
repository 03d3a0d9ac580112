"""What this machine lets a process have: processor features, cores, memory, open files."""

import ctypes
import os
import resource
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_INFO = Path("/proc/meminfo")
OWN_GROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")

FEATURES = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8"),
    *("asimddp", "i8mm"),
)
"""Those that decide how fast 8-bit products are; the last two are of ARM."""
_UNLIMITED_V1 = 1 << 60
"""Version 1 of control groups says "no limit" with a number about this large."""


@dataclass(frozen=True, slots=True)
class Machine:
    """None means that there is no limit, or that the system does not tell."""

    processor: str
    features: tuple[str, ...]
    cores: int
    """That this process may run on."""
    cpu_limit: float | None
    """Cores' worth of time that the control group allows."""
    memory_bytes: int | None
    memory_limit_bytes: int | None
    """Of the control group."""
    open_files: int

    @property
    def usable_cores(self) -> float:
        """Cores' worth of time that this process can have."""
        return self.cores if self.cpu_limit is None else min(self.cores, self.cpu_limit)


def look_at_machine(
    cpu_info: Path = CPU_INFO,
    memory_info: Path = MEMORY_INFO,
    own_group: Path = OWN_GROUP,
    groups: Path = GROUPS,
) -> Machine:
    """Read all of it; what cannot be read is left out."""
    described = _fields(cpu_info)
    flags = set(described.get("flags", described.get("Features", "")).split())
    memory = _fields(memory_info).get("MemTotal", "").split()
    folders = _folders(own_group, groups)
    return Machine(
        processor=described.get("model name", os.uname().machine),
        features=tuple(one for one in FEATURES if one in flags),
        cores=len(os.sched_getaffinity(0)),
        cpu_limit=min((one for one in map(_cpus, folders) if one is not None), default=None),
        memory_bytes=int(memory[0]) * 1024 if memory else None,
        memory_limit_bytes=min((one for one in map(_memory, folders) if one), default=None),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _fields(path: Path) -> dict[str, str]:
    """Read lines of `name : value`, the first of each name."""
    found: dict[str, str] = {}
    for line in _text(path).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _folders(own_group: Path, groups: Path) -> list[Path]:
    """Give the control groups that this process is in, each with those above it."""
    folders: list[Path] = []
    for line in _text(own_group).splitlines():
        _, controllers, name = line.split(":", 2)
        # Version 2 has one tree; in version 1 each controller has one of its own.
        root = groups / controllers if controllers else groups
        place = root / name.lstrip("/")
        while place.is_relative_to(root):
            folders.append(place)
            if place == root:
                break
            place = place.parent
    return folders


def _cpus(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _memory(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _text(folder / name).strip()
        if text.isdigit() and int(text) < _UNLIMITED_V1:
            return int(text)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def give_memory_back() -> None:
    """Return freed memory to the system where the C library knows how (glibc does).

    Reading a model leaves some megabytes that are free and still the process's own.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
