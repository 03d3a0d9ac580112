"""A guarantee as tests and benchmarks need one: granted, with what matters given by name."""

from dataclasses import replace
from typing import Any

from tidegate.domain.guarantee import Guarantee, LabelSource, Level, Loss, NoiseFloor


def a_guarantee(**changes: Any) -> Guarantee:
    plain = Guarantee(
        task="t",
        bundle="c",
        bundle_version="1-0",
        encoder="e",
        state="granted",
        reason="",
        mode="ltt",
        loss=Loss("choice"),
        unit="delivered answer",
        labels=LabelSource("gold"),
        delta=0.05,
        levels=(Level(0.02, 0.9, 1_000, 5, 0.8, 0.015),),
        rows=1_000,
        attempt=1,
        granted_at=0.0,
        expires_at=1e12,
        expires_after_answers=1_000_000,
    )
    return replace(plain, **changes)


GRANTED = a_guarantee(
    task="support",
    bundle="b" * 64,
    bundle_version="1-bbbbbbbbbbbb",
    encoder="e" * 64,
    loss=Loss("choice", critical=("fraud", True)),
    labels=LabelSource("agreement", "central", "gpt", noise=NoiseFloor(100, 3)),
    levels=(Level(0.02, 0.875, 400, 2, 0.5, 0.0175),),
    rows=800,
    granted_at=1_800_000_000.0,
    expires_at=1_802_592_000.0,
    expires_after_answers=100_000,
    static_from=0.75,
)
"""One with every kind of value, as it is stored."""
