"""What the doctor advises on machines that are described, and finds on this one."""

from pathlib import Path

import pytest

from tidegate.adapters.machine import Machine
from tidegate.config.encoder import EncoderSource
from tidegate.node.doctor import EncoderFacts, advise, diagnose, suiting_threads


def machine(
    *,
    features: tuple[str, ...] = ("avx2", "avx512_vnni"),
    cores: int = 4,
    cpu_limit: float | None = None,
    memory_limit_bytes: int | None = None,
    open_files: int = 65_536,
) -> Machine:
    return Machine("x", features, cores, cpu_limit, 1 << 34, memory_limit_bytes, open_files)


def facts(*, precision: str = "int8", exact_sums: bool = False) -> EncoderFacts:
    return EncoderFacts("small", precision, "f" * 64, 1e-8, 0.005, exact_sums, {8: 1.0}, 30.0)


def texts(found: Machine, encoder: EncoderFacts | None = None, *, threads: int = 3) -> list[str]:
    return [one.text for one in advise(found, encoder, "ext4", threads=threads)]


def settings(found: Machine, encoder: EncoderFacts | None = None, *, threads: int) -> set[str]:
    advice = advise(found, encoder, "ext4", threads=threads)
    return {one.setting for one in advice if one.setting is not None}


def test_one_core_is_left_to_the_event_loop() -> None:
    assert settings(machine(cores=4), threads=1) == {"encoder.threads: 3"}
    assert settings(machine(cores=1), threads=1) == set()


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 3)])
def test_the_threads_that_suit_are_told_even_where_nothing_is_to_change(
    cores: int, threads: int
) -> None:
    assert suiting_threads(machine(cores=cores)) == threads
    assert settings(machine(cores=cores), threads=threads) == set()


def test_the_limit_of_the_control_group_counts_as_cores() -> None:
    assert settings(machine(cores=64, cpu_limit=2.5), threads=8) == {"encoder.threads: 1"}


@pytest.mark.parametrize(
    ("features", "exact_sums", "said"),
    [
        (("avx2", "avx512_vnni"), False, "stay with the precision int8"),
        (("asimddp",), False, "stay with the precision int8"),
        (("avx2",), True, "the slower exact kernels run"),
        (("avx2",), False, "no VNNI"),
    ],
)
def test_the_precision_that_suits_the_processor_is_told(
    features: tuple[str, ...], *, exact_sums: bool, said: str
) -> None:
    found = texts(machine(features=features), facts(exact_sums=exact_sums))

    assert any(said in text for text in found)


def test_other_precisions_need_no_advice() -> None:
    assert texts(machine(features=()), facts(precision="exact")) == []


def test_few_open_files_and_little_memory_are_warnings() -> None:
    tight = machine(open_files=1024, memory_limit_bytes=256 << 20)

    found = advise(tight, None, "ext4", threads=3)

    assert [one.grade for one in found] == ["warning", "warning"]


@pytest.mark.parametrize(
    ("kind", "grades"), [("nfs4", ["failure"]), ("tmpfs", ["warning"]), ("xfs", []), (None, [])]
)
def test_the_file_system_of_the_state_decides(kind: str | None, grades: list[str]) -> None:
    found = advise(machine(), None, kind, threads=3)

    assert [one.grade for one in found] == grades


def test_this_machine_is_measured(tmp_path: Path) -> None:
    found = diagnose(machine(), EncoderSource(), tmp_path, threads=3)

    assert found.encoder is not None
    assert found.encoder.deviation is not None
    assert found.encoder.deviation <= found.encoder.allowed
    assert set(found.encoder.milliseconds) == {8, 32, 128}
    assert found.encoder.static_microseconds > 0
    assert found.is_usable


def test_an_encoder_that_cannot_run_is_a_finding_and_not_a_crash(tmp_path: Path) -> None:
    found = diagnose(machine(), EncoderSource(path=tmp_path), tmp_path, threads=3)

    assert found.encoder is None
    assert not found.is_usable
    assert "manifest.json" in found.findings[0].text
