"""How a diagnosis looks on a terminal."""

from rich.console import Console
from rich.table import Table

from tidegate.node.doctor import Diagnosis, EncoderFacts, Finding, Grade

_STYLES: dict[Grade, str] = {"advice": "green", "warning": "yellow", "failure": "red"}
_UNKNOWN = "not known"


def show(found: Diagnosis) -> None:
    """Print facts, then what to do."""
    console = Console()
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in (*_machine_lines(found), *_encoder_lines(found.encoder)):
        table.add_row(name, value)
    console.print(table)
    for finding in found.findings:
        console.print(_line(finding), style=_STYLES[finding.grade], markup=False, highlight=False)


def _machine_lines(found: Diagnosis) -> list[tuple[str, str]]:
    machine = found.machine
    limit = "none" if machine.cpu_limit is None else f"{machine.cpu_limit:g} cores"
    return [
        ("processor", machine.processor),
        ("features", " ".join(machine.features) or _UNKNOWN),
        ("cores", f"{machine.cores}, limit of the control group: {limit}"),
        ("memory", f"{_size(machine.memory_bytes)}, limit: {_size(machine.memory_limit_bytes)}"),
        ("open files", f"{machine.open_files:,} at most"),
        ("state directory", f"{found.state} on {found.file_system or _UNKNOWN}"),
        ("encoder threads", f"{found.threads}; {found.suiting_threads} would suit these cores"),
    ]


def _encoder_lines(facts: EncoderFacts | None) -> list[tuple[str, str]]:
    if facts is None:
        return []
    times = ", ".join(f"{ms:.2f} ms at {tokens}" for tokens, ms in facts.milliseconds.items())
    sums = ", exact kernels" if facts.exact_sums else ""
    off_by = "none in its folder; the scores of bundles are checked all the same"
    if facts.deviation is not None:
        off_by = f"off by {facts.deviation:.1e}, allowed {facts.allowed:g}{sums}"
    return [
        ("encoder", f"{facts.name}, {facts.precision}, {facts.fingerprint[:12]}"),
        ("one text", f"{times} tokens"),
        ("static embeddings", f"{facts.static_microseconds:.0f} us a text of 12 words"),
        ("golden vectors", off_by),
    ]


def _line(finding: Finding) -> str:
    setting = "" if finding.setting is None else f"\n  {finding.setting}"
    return f"{finding.grade}: {finding.text}{setting}"


def _size(size_bytes: int | None) -> str:
    return "none" if size_bytes is None else f"{size_bytes / 2**30:.1f} GiB"
