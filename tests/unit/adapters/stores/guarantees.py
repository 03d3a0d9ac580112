"""A guarantee as tests need one."""

from tidegate.domain.guarantee import Guarantee, LabelSource, Level, Loss, NoiseFloor

GRANTED = Guarantee(
    task="support",
    bundle="b" * 64,
    bundle_version="1-bbbbbbbbbbbb",
    encoder="e" * 64,
    state="granted",
    reason="",
    mode="ltt",
    loss=Loss("choice", critical=("fraud", True)),
    unit="delivered answer",
    labels=LabelSource("agreement", "central", "gpt", noise=NoiseFloor(100, 3)),
    delta=0.05,
    levels=(Level(0.02, 0.875, 400, 2, 0.5, 0.0175),),
    rows=800,
    attempt=1,
    granted_at=1_800_000_000.0,
    expires_at=1_802_592_000.0,
    expires_after_answers=100_000,
)
