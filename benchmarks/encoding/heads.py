"""What heads add to the encoder, and what static embeddings cost beside it; in this process."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.rounds import Figure, over_rounds, times
from tidegate.adapters.encoder_files import shipped
from tidegate.adapters.engines.encoder_build.build import TOKENIZER
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.adapters.engines.static_embeddings import StaticEmbeddings
from tidegate.adapters.static_files import shipped_static
from tidegate.domain.bundle import Calibration, Float32, Head, NgramChannel
from tidegate.node.training import bundled_encoder
from tidegate.statistics import linear
from tidegate.statistics.ngrams import BUCKETS, SCHEME
from tidegate.tasks.scores import fuse

STEPS = 1
LABELS = (151, 77, 20, 2)
TOKEN_LABELS = 9
TEXTS = 100
QUICK_TEXTS = 20


def measure(
    options: Options, texts: Sequence[str], progress: Progress, *, rounds: int
) -> dict[str, Figure]:
    """Time the same texts by the encoder alone, with heads, and by static embeddings."""
    progress.step("heads and static embeddings beside the encoder")
    generator = np.random.default_rng(options.seed)
    chosen = texts[: QUICK_TEXTS if options.quick else TEXTS]
    encoder = bundled_encoder(threads=1)
    static = StaticEmbeddings.open(shipped_static(), shipped() / TOKENIZER)
    try:
        with_heads = _with_heads(encoder, generator)
        loop = asyncio.new_event_loop()

        def plain(text: str) -> None:
            loop.run_until_complete(encoder.encode(text))

        def full(text: str) -> None:
            loop.run_until_complete(with_heads(text))

        alone, headed, tables = [], [], []
        for _ in range(rounds):
            pair = _in_turn(chosen, plain, full)
            alone.append(pair[0])
            headed.append(pair[1])
            tables.append(_median_s(chosen, static.embed))
        loop.close()
    finally:
        encoder.close()
    overhead = [(full_s / alone_s - 1) * 100 for full_s, alone_s in zip(headed, alone, strict=True)]
    return {
        "heads_overhead_pct": over_rounds(overhead),
        "static_us": over_rounds([one * 1e6 for one in tables]),
        "static_vs_encoder": times(alone, tables),
    }


def _with_heads(
    encoder: OnnxEncoder, generator: np.random.Generator
) -> Callable[[str], Awaitable[None]]:
    heads = {f"head {labels}": _head(labels, encoder.dimensions, generator) for labels in LABELS}
    fused = fuse(heads)
    tokens = generator.normal(size=(TOKEN_LABELS, encoder.dimensions)).astype(np.float32)
    bias = np.zeros(TOKEN_LABELS, np.float32)

    async def run(text: str) -> None:
        encoding = await encoder.encode(text, wants="tokens")
        fused.score(heads, text, encoding)
        if encoding.tokens is not None:
            linear.softmax(linear.scores(tokens, bias, encoding.tokens.states))

    return run


def _head(labels: int, dimensions: int, generator: np.random.Generator) -> Head:
    def matrix(rows: int, columns: int) -> Float32:
        return generator.normal(size=(rows, columns)).astype(np.float32)

    return Head(
        labels=tuple(f"label {i}" for i in range(labels)),
        weights=matrix(labels, dimensions),
        bias=np.zeros(labels, np.float32),
        calibration=Calibration(0.6, 0.1),
        ngrams=NgramChannel(SCHEME, matrix(BUCKETS, labels)),
    )


def _in_turn(
    texts: Sequence[str], first: Callable[[str], object], second: Callable[[str], object]
) -> tuple[float, float]:
    """Median seconds of both, text by text, so that what drifts meets both alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for text in texts:
        for list_, act in zip(took, (first, second), strict=True):
            began = time.perf_counter()
            act(text)
            list_.append(time.perf_counter() - began)
    return statistics.median(took[0]), statistics.median(took[1])


def _median_s(texts: Sequence[str], act: Callable[[str], object]) -> float:
    took = []
    for text in texts:
        began = time.perf_counter()
        act(text)
        took.append(time.perf_counter() - began)
    return statistics.median(took)
