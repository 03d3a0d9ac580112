"""Measure the encoder against float32: `python -m scripts.encoder.measure --texts FILE.jsonl.gz`.

Prints agreement with the numpy reference and the time of one run by length; figures in
docs/encoder.md come from here. Rows of FILE have a field `text`.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from scripts.encoder import reference
from scripts.encoder.build import ROOT
from tidegate.adapters.encoder_files import Precision
from tidegate.adapters.engines.encoder_build import graph
from tidegate.adapters.engines.encoder_build.build import read_published, write_model
from tidegate.adapters.engines.encoder_build.published import fetch
from tidegate.adapters.engines.encoder_build.running import Session
from tidegate.adapters.engines.encoder_build.safetensors import Tensor, read_safetensors

PRECISIONS: tuple[Precision, ...] = ("float32", "exact", "int8")
LENGTHS = (8, 13, 32, 128)
ROUNDS = 15
RUNS_PER_ROUND = 12


def main(arguments: list[str]) -> int:
    """Measure all variants in one process, interleaved."""
    parser = argparse.ArgumentParser(prog="scripts.encoder.measure", description=__doc__)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "encoder")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1200)
    options = parser.parse_args(arguments)
    folder = fetch(options.cache)
    tensors = read_safetensors(folder / "model.safetensors")
    published = read_published(folder, _quietly)
    shape = published.bert.shape
    models: dict[str, bytes] = {
        precision: write_model(published, precision, _quietly) for precision in PRECISIONS
    }
    models["int8, not conditioned"] = graph.serialised(graph.build(published.bert, "int8"))
    sessions = {name: Session(model, sums="fast") for name, model in models.items()}
    tokenizer = Tokenizer.from_buffer(published.tokenizer)
    tokenizer.enable_truncation(shape.max_tokens)
    ids = _read(options.texts, options.count, tokenizer)
    expected = np.array(
        [reference.encode(tensors, one, layers=shape.layers, heads=shape.heads)[1] for one in ids]
    )
    for name, session in sessions.items():
        vectors = np.array([session.vector(one) for one in ids])
        print(f"{name}: {len(models[name]) / 1e6:.1f} MB, {_agreement(vectors, expected)}")
    for name, times in _times(sessions).items():
        print(f"{name}: " + ", ".join(f"{n} tokens {ms:.2f} ms" for n, ms in times.items()))
    return 0


def _read(path: Path, count: int, tokenizer: Tokenizer) -> list[list[int]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    step = max(1, len(texts) // count)
    return [tokenizer.encode(text).ids for text in texts[::step][:count]]


def _quietly(_stage: str, _done: int, _total: int) -> None:
    """Report nothing: the measurement has no progress to show."""


def _agreement(vectors: Tensor, expected: Tensor) -> str:
    cosine = (vectors * expected).sum(axis=1)
    similarity, expected_similarity = vectors @ vectors.T, expected @ expected.T
    shift = np.abs(similarity - expected_similarity).max()
    same = _nearest(similarity) == _nearest(expected_similarity)
    return (
        f"cosine mean {cosine.mean():.5f} min {cosine.min():.4f},"
        f" largest deviation {np.abs(vectors - expected).max():.1e},"
        f" largest shift of a similarity {shift:.3f}, same nearest text {same.mean():.3f}"
    )


def _nearest(similarity: Tensor) -> Tensor:
    others = similarity - 2 * np.eye(len(similarity), dtype=np.float32)
    nearest: Tensor = others.argmax(axis=1)
    return nearest


def _times(sessions: Mapping[str, Session]) -> dict[str, dict[int, float]]:
    """Milliseconds of one run: the lowest of the rounds' medians."""
    draw = np.random.default_rng(0)
    texts = {length: draw.integers(1000, 30_000, length).tolist() for length in LENGTHS}
    medians: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            for length, ids in texts.items():
                medians.setdefault((name, length), []).append(_median_ms(session, ids))
    return {name: {length: min(medians[name, length]) for length in LENGTHS} for name in sessions}


def _median_ms(session: Session, ids: Sequence[int]) -> float:
    session.vector(ids)
    times = []
    for _ in range(RUNS_PER_ROUND):
        start = time.perf_counter()
        session.vector(ids)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
