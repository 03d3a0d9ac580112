import pytest

from benchmarks.encode import FLOAT32, FLOAT32_HERE, _ratios
from benchmarks.encoding.engines import OURS, Turn

ROUNDS = 5


def turns(median_ms: float) -> list[Turn]:
    return [Turn(wall_s=1.0, cpu_s=1.0, median_ms=median_ms * (1 + i / 10)) for i in range(ROUNDS)]


def test_ratios_are_theirs_over_ours_round_by_round() -> None:
    figures = _ratios(
        {
            OURS: turns(2.0),
            FLOAT32: turns(4.0),
            FLOAT32_HERE: turns(3.2),
            "fastembed 1.0": turns(5.0),
            "infinity-emb 1.0": turns(8.0),
        }
    )

    assert figures["vs_fastembed_b1"].value == pytest.approx(2.5)
    assert figures["vs_fastembed_fp32"].value == pytest.approx(1.25)
    assert figures["vs_fastembed_fp32_here"].value == pytest.approx(1.5625)
    assert figures["vs_infinity_b1"].value == pytest.approx(4.0)
    assert figures["int8_vs_fp32"].low == figures["int8_vs_fp32"].high == pytest.approx(2.0)
    assert "vs_sentence_transformers_b1" not in figures
