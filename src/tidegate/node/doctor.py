"""Looks at what a node would run on: the machine, the encoder on it, the state directory."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidegate.adapters.encoder_folder import describe
from tidegate.adapters.engines.onnx_encoder import (
    LARGEST_DEVIATION,
    OnnxEncoder,
    OnnxEncoderSettings,
)
from tidegate.adapters.filesystem import EPHEMERAL, NETWORK, kind_of, read_mounts
from tidegate.adapters.machine import Machine
from tidegate.config.encoder import EncoderSource
from tidegate.errors import TidegateError
from tidegate.node.encoders import encoder_folder, make_encoder
from tidegate.node.static_training import open_static

TOKENS = (8, 32, 128)
RUNS = 15
SPECIAL = 2
STATIC_TEXT = "My new card has still not arrived, when will it come here?"
STATIC_RUNS = 500
FAST_INT8 = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
LEAST_FILES = 4096
LEAST_MEMORY = 400 * 1024 * 1024
"""Measured: a node with encoder, cache and ledger takes about 250 MiB."""

Grade = Literal["advice", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know or to do."""

    grade: Grade
    text: str
    setting: str | None = None
    """What to write into the configuration, as `encoder.threads: 2`."""


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """How the encoder does here."""

    name: str
    precision: str
    fingerprint: str
    deviation: float | None
    """Largest difference from a golden vector, at most `allowed`; None: the folder has none."""
    allowed: float
    exact_sums: bool
    """The slower kernels were needed to get there."""
    milliseconds: Mapping[int, float]
    """Of one text, by tokens: median on this machine as it is now."""
    static_microseconds: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found."""

    machine: Machine
    threads: int
    """As configured."""
    suiting_threads: int
    encoder: EncoderFacts | None
    """None: it cannot be used; a finding says why."""
    state: str
    file_system: str | None
    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        """Whether a node would run."""
        return all(one.grade != "failure" for one in self.findings)


def diagnose(machine: Machine, source: EncoderSource, state: Path, *, threads: int) -> Diagnosis:
    """Open the encoder, measure it for some seconds, and say what to change."""
    findings: list[Finding] = []
    facts = None
    try:
        facts = measure(source, state)
    except TidegateError as error:
        findings.append(Finding("failure", str(error)))
    kind = kind_of(state, read_mounts())
    findings += advise(machine, facts, kind, threads=threads)
    suiting = suiting_threads(machine)
    return Diagnosis(machine, threads, suiting, facts, str(state), kind, tuple(findings))


def measure(source: EncoderSource, state: Path) -> EncoderFacts:
    """Time the encoder and compare its golden vectors; raises EngineError."""
    encoder = make_encoder(source, state, OnnxEncoderSettings())
    try:
        encoder.open()
        encoder.check()
        times = {tokens: _encode_ms(encoder, tokens) for tokens in TOKENS}
        return EncoderFacts(
            name=encoder.name,
            precision=describe(encoder_folder(source, state), source.given).precision,
            fingerprint=encoder.fingerprint,
            deviation=encoder.off_by,
            allowed=LARGEST_DEVIATION,
            exact_sums=encoder.has_exact_sums,
            milliseconds=times,
            static_microseconds=_static_us(),
        )
    finally:
        encoder.close()


def suiting_threads(machine: Machine) -> int:
    """One for each core but one, which is the event loop's."""
    return max(1, int(machine.usable_cores) - 1)


def advise(
    machine: Machine, encoder: EncoderFacts | None, file_system: str | None, *, threads: int
) -> list[Finding]:
    """Say what to set and what will hurt. Pure."""
    findings: list[Finding] = []
    wanted = suiting_threads(machine)
    if threads > max(1, machine.usable_cores):
        findings.append(
            Finding(
                "warning",
                f"{threads} encoder threads share {machine.usable_cores:g} cores: requests wait"
                " for the processor instead of the queue",
                f"encoder.threads: {wanted}",
            )
        )
    elif threads < wanted:
        findings.append(
            Finding(
                "advice",
                f"{machine.usable_cores:g} cores: one for the event loop, the others may encode",
                f"encoder.threads: {wanted}",
            )
        )
    findings += _of_processor(machine, encoder)
    findings += _of_limits(machine)
    if file_system in NETWORK:
        findings.append(
            Finding("failure", f"the state directory is on {file_system}, where locks do not hold")
        )
    if file_system in EPHEMERAL:
        findings.append(
            Finding("warning", f"the state directory is on {file_system}: a restart empties it")
        )
    return findings


def _of_processor(machine: Machine, encoder: EncoderFacts | None) -> list[Finding]:
    if encoder is None or encoder.precision != "int8":
        return []
    if encoder.exact_sums:
        text = (
            "this processor adds 8-bit products in 16 bits, so the slower exact kernels run; build"
            " the precision `exact` and compare the times"
        )
    elif not FAST_INT8 & set(machine.features):
        text = (
            "no VNNI, AMX or dot product: int8 may be no faster than `exact` or `fp32`; build one"
            " and compare the times"
        )
    else:
        return [Finding("advice", "8-bit products are native here: stay with the precision int8")]
    return [Finding("advice", text, "tidegate bundles build-encoder DIR --precision exact")]


def _of_limits(machine: Machine) -> list[Finding]:
    findings = []
    if machine.open_files < LEAST_FILES:
        findings.append(
            Finding(
                "warning",
                f"{machine.open_files} open files at most, and each connection is one",
                "ulimit -n 65536",
            )
        )
    limits = [machine.memory_bytes, machine.memory_limit_bytes]
    memory = min((one for one in limits if one is not None), default=None)
    if memory is not None and memory < LEAST_MEMORY:
        findings.append(
            Finding("warning", f"{memory >> 20} MiB of memory; a node takes about 250 MiB")
        )
    return findings


def _encode_ms(encoder: OnnxEncoder, tokens: int) -> float:
    text = " ".join(["time"] * (tokens - SPECIAL))

    async def times() -> list[float]:
        taken = []
        for _ in range(RUNS):
            began = time.perf_counter()
            await encoder.encode(text)
            taken.append(time.perf_counter() - began)
        return taken

    return statistics.median(asyncio.run(times())) * 1e3


def _static_us() -> float:
    table = open_static()
    taken = []
    for _ in range(STATIC_RUNS):
        began = time.perf_counter()
        table.embed(STATIC_TEXT)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6
