"""What int8 changes against float32, and what company changes: vectors, neighbours, accuracy."""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.encoding.engines import float32_folder
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.rounds import Figure, exactly
from benchmarks.heads.intents import SETS
from benchmarks.heads.quality import Bench, out_of_fold, vectors
from tidegate.adapters.encoder_files import shipped
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.statistics.calibration import Integers
from tidegate.statistics.linear import Float32

STEPS = 2 + 2 * 2 * len(SETS)
ALONE = 300
QUICK_ALONE = 60
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found."""

    figures: Mapping[str, Figure]
    notes: Sequence[str]


def measure(options: Options, texts: Sequence[str], progress: Progress) -> Agreement:
    """Encode in both precisions, compare, and fit heads on both."""
    with _opened(shipped(), 2) as int8, _opened(float32_folder(options.cache), 2) as float32:
        progress.step(f"compare {len(texts)} vectors")
        benches = {
            name: Bench(
                encoder,
                options.cache / "heads",
                options.data,
                options.test_data,
                options.seed,
                progress,
            )
            for name, encoder in (("int8", int8), ("float32", float32))
        }
        small, large = (vectors(bench, texts) for bench in benches.values())
        figures = {
            "cosine_to_fp32": exactly(float((small * large).sum(axis=1).mean())),
            "top1_agreement": exactly(float((_nearest(small) == _nearest(large)).mean())),
        }
        progress.step("encode in company")
        count = QUICK_ALONE if options.quick else ALONE
        figures["batch_independence_max_dev"] = exactly(_company(int8, texts[:count], options.seed))
        notes = []
        for intents in SETS:
            right = {name: out_of_fold(bench, intents) for name, bench in benches.items()}
            loss = right["float32"].mean() - right["int8"].mean()
            figures[f"int8_loss_{intents.name}"] = exactly(float(loss))
            only = int((right["int8"] & ~right["float32"]).sum())
            other = int((right["float32"] & ~right["int8"]).sum())
            notes.append(
                f"{intents.name}: of {len(right['int8'])} rows {other} are right in float32 only,"
                f" {only} in int8 only"
            )
    return Agreement(figures, notes)


@contextmanager
def _opened(folder: Path, threads: int) -> Iterator[OnnxEncoder]:
    encoder = OnnxEncoder(folder, OnnxEncoderSettings(threads=threads))
    encoder.open()
    try:
        encoder.check()
        yield encoder
    finally:
        encoder.close()


def _nearest(rows: Float32) -> Integers:
    similar = rows @ rows.T
    np.fill_diagonal(similar, -np.inf)
    nearest: Integers = similar.argmax(axis=1)
    return nearest


def _company(encoder: OnnxEncoder, texts: Sequence[str], seed: int) -> float:
    async def all_of(batch: Sequence[str]) -> Float32:
        return np.stack([one.vector for one in await asyncio.gather(*map(encoder.encode, batch))])

    async def in_groups(order: Sequence[int]) -> Float32:
        groups = [order[i : i + AT_ONCE] for i in range(0, len(order), AT_ONCE)]
        return np.concatenate([await all_of([texts[i] for i in group]) for group in groups])

    alone = np.concatenate([asyncio.run(all_of([text])) for text in texts])
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    together = asyncio.run(in_groups(order))
    return float(np.abs(together - alone[order]).max())
