"""One encoder in a process of its own; runs in the environment of what it measures.

`python child.py ENGINE FOLDER TEXTS.json THREADS`, the folder in the layout that the engine reads.
It prints one JSON line when it is ready, then one for each line on stdin: `{"first": 0, "count": 9,
"at_once": 1}` encodes so many of the texts and tells how long that took. Only the standard library
and the engine itself are imported, as there is nothing else in a peer's environment.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

NAME = "tidegate/same-weights"
WIDTH = 384

Vector = Iterable[float]
Taken = tuple[list[float], list[Vector]]
"""Seconds and vectors, one of each a text."""
Encode = Callable[[Sequence[str], int], Taken]


def main(engine: str, folder: str, texts_file: str, threads: int, answers: int) -> None:
    """Answer until stdin ends; `answers` is where to."""

    def say(line: object) -> None:
        os.write(answers, (json.dumps(line) + "\n").encode())

    texts = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    encode = ENGINES[engine](folder, threads)
    _, vectors = encode(texts[:3], 1)
    say({"vectors": [[float(x) for x in vector] for vector in vectors]})
    for line in sys.stdin:
        wanted = json.loads(line)
        chosen = [texts[(wanted["first"] + i) % len(texts)] for i in range(wanted["count"])]
        began, cpu_began = time.perf_counter(), time.process_time()
        took, _ = encode(chosen, wanted["at_once"])
        say(
            {
                "wall_s": time.perf_counter() - began,
                "cpu_s": time.process_time() - cpu_began,
                "median_ms": statistics.median(took) * 1e3,
            }
        )


def _tidegate(folder: str, threads: int) -> Encode:
    """Through the queue and its threads, as a node does."""
    encoder = _opened(folder, threads)

    async def all_of(texts: Sequence[str], at_once: int) -> Taken:
        took: list[float] = []
        vectors: list[Vector] = []
        rest = iter(texts)

        async def lane() -> None:
            for text in rest:
                began = time.perf_counter()
                encoding = await encoder.encode(text)
                took.append(time.perf_counter() - began)
                vectors.append(encoding.vector)

        await asyncio.gather(*(lane() for _ in range(at_once)))
        return took, vectors

    return lambda texts, at_once: asyncio.run(all_of(texts, at_once))


def _tidegate_here(folder: str, threads: int) -> Encode:
    """In the calling thread, as the others do."""
    encoder = _opened(folder, threads)
    return _one_by_one(lambda text: encoder.encode_here(text).vector)


def _opened(folder: str, threads: int) -> Any:
    engines = import_module("tidegate.adapters.engines.onnx_encoder")
    encoder = engines.OnnxEncoder(Path(folder), engines.OnnxEncoderSettings(threads=threads))
    encoder.open()
    encoder.check()
    return encoder


def _fastembed(folder: str, threads: int) -> Encode:
    package = import_module("fastembed")
    described = import_module("fastembed.common.model_description")
    package.TextEmbedding.add_custom_model(
        model=NAME,
        pooling=described.PoolingType.MEAN,
        normalization=True,
        sources=described.ModelSource(hf=NAME),
        dim=WIDTH,
        model_file="model.onnx",
    )
    model = package.TextEmbedding(NAME, specific_model_path=folder, threads=threads)
    return _one_by_one(lambda text: next(iter(model.embed([text]))))


def _sentence_transformers(folder: str, threads: int) -> Encode:
    import_module("torch").set_num_threads(threads)
    model = import_module("sentence_transformers").SentenceTransformer(folder, device="cpu")
    return _one_by_one(lambda text: model.encode(text, show_progress_bar=False))


def _infinity(folder: str, threads: int) -> Encode:
    import_module("torch").set_num_threads(threads)
    package = import_module("infinity_emb")
    arguments = package.EngineArgs(
        model_name_or_path=folder,
        engine="torch",
        device="cpu",
        dtype="float32",
        bettertransformer=False,
        model_warmup=False,
    )
    loop = asyncio.new_event_loop()
    engine = package.AsyncEmbeddingEngine.from_args(arguments)
    loop.run_until_complete(engine.astart())

    async def one(text: str) -> Vector:
        vectors, _ = await engine.embed(sentences=[text])
        vector: Vector = vectors[0]
        return vector

    return _one_by_one(lambda text: loop.run_until_complete(one(text)))


def _one_by_one(encode: Callable[[str], Vector]) -> Encode:
    def all_of(texts: Sequence[str], _at_once: int) -> Taken:
        took: list[float] = []
        vectors: list[Vector] = []
        for text in texts:
            began = time.perf_counter()
            vectors.append(encode(text))
            took.append(time.perf_counter() - began)
        return took, vectors

    return all_of


ENGINES: dict[str, Callable[[str, int], Encode]] = {
    "tidegate": _tidegate,
    "tidegate-here": _tidegate_here,
    "fastembed": _fastembed,
    "sentence-transformers": _sentence_transformers,
    "infinity": _infinity,
}

if __name__ == "__main__":
    # What an engine prints must not stand among the answers.
    own = os.dup(1)
    os.dup2(2, 1)
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), own)
