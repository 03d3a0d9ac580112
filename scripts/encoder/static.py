"""Distil static embeddings from the encoder: `scripts/build-static [--cache DIR] [--out DIR]`.

Every token of the vocabulary goes through the float32 graph by itself, between the control tokens;
its pooled state before normalisation is reduced to 256 components (PCA), weighted by an estimate
of how rare the token is, and kept in int8. Takes one to two minutes of processor time. The same
inputs and locked libraries give the same bytes; without `--out` an unchanged result is the proof.
"""

import argparse
import io
import sys
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from tokenizers import Tokenizer

from scripts.encoder.build import ROOT
from tidegate.adapters.encoder_files import MANIFEST, SHIPPED, Golden, shipped
from tidegate.adapters.engines.encoder_build import graph, published
from tidegate.adapters.engines.encoder_build.build import (
    GOLDEN_DIGITS,
    GOLDEN_TEXTS,
    TOKENIZER,
    Published,
    read_published,
)
from tidegate.adapters.engines.encoder_build.quantise import quantise_rows
from tidegate.adapters.engines.encoder_build.running import Session
from tidegate.adapters.engines.encoder_build.safetensors import Tensor
from tidegate.adapters.static_files import SHIPPED_STATIC, Distilled, Manifest, shipped_static
from tidegate.errors import EncoderUnusable

DIMENSIONS = 256
# Of 1e-3, 3e-4, 1e-4 and 3e-5 this one was the best by a hair on CLINC150's own split.
SMOOTHING = 3e-4
ZIPF_OFFSET = 2.7
TABLE, SCALES = "table.int8.npy", "scales.npy"
GOLDEN_COMPONENTS = 32
LARGEST_BYTES = 8_500_000
"""The table is committed to the repository once; it must not grow past this."""

_SOURCE_NOTE = f"""\
# Source

One vector a token of all-MiniLM-L6-v2, distilled from its published weights (see
`../{SHIPPED}/SOURCE.md`; Apache-2.0, LICENSE in this folder). No text was used.
`scripts/build-static` rebuilds this folder; docs/encoder.md says how it was measured.
"""


def main(arguments: list[str]) -> int:
    """Distil, write, and say what was written."""
    parser = argparse.ArgumentParser(prog="scripts/build-static", description=__doc__)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "encoder")
    parser.add_argument("--out", type=Path, default=shipped_static())
    options = parser.parse_args(arguments)
    try:
        source = read_published(published.fetch(options.cache), lambda _stage, _done, _total: None)
    except EncoderUnusable as error:
        print(f"build-static: {error}", file=sys.stderr)
        return 1
    manifest = write(options.out, source, reduce(pooled_states(source)))
    for name, digest in manifest.files.items():
        print(f"{digest}  {options.out / name}")
    print(f"fingerprint {manifest.fingerprint}")
    return 0


def pooled_states(source: Published) -> Tensor:
    """The mean state of each token by itself, one row a token."""
    session = Session(graph.serialised(graph.build(source.bert, "float32")), sums="fast")
    tokenizer = Tokenizer.from_buffer(source.tokenizer)
    first, last = tokenizer.encode("").ids
    count = len(source.bert.words)
    states = np.empty((count, source.layout.width), np.float32)
    for token in track(range(count), "tokens", console=Console(stderr=True)):
        states[token] = session.run([first, token, last], ["h"])[0][0].mean(axis=0)
    return states


def reduce(states: Tensor) -> Tensor:
    """The leading principal components, each turned so that its largest weight is positive."""
    centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    leading = vectors[:, ::-1][:, :DIMENSIONS]
    largest = leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])]
    reduced: Tensor = (centred @ (leading * np.sign(largest))).astype(np.float32)
    return reduced


def frequency_weights(count: int) -> Tensor:
    """a / (a + p) with Zipf's p: BERT's vocabulary is ordered by frequency, roughly."""
    frequency = 1.0 / (np.arange(1, count + 1) + ZIPF_OFFSET)
    weights: Tensor = (SMOOTHING / (SMOOTHING + frequency / frequency.sum())).astype(np.float32)
    return weights


def write(folder: Path, source: Published, vectors: Tensor) -> Manifest:
    """Write all files of the folder and return its manifest."""
    table, steps = quantise_rows(vectors)
    scales = (steps * frequency_weights(len(steps))).astype(np.float32)
    contents = {
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "SOURCE.md": _SOURCE_NOTE.encode(),
        TABLE: _npy(table),
        SCALES: _npy(scales),
    }
    tokenizer = (shipped() / TOKENIZER).read_bytes()
    manifest = Manifest(
        name=SHIPPED_STATIC,
        dimensions=table.shape[1],
        tokens=len(table),
        language=published.LANGUAGE,
        licence=published.LICENCE,
        distilled=Distilled(
            encoder=SHIPPED,
            weights_sha256=published.SOURCE.weights_sha256,
            smoothing=SMOOTHING,
            offset=ZIPF_OFFSET,
        ),
        table=TABLE,
        scales=SCALES,
        tokenizer_sha256=sha256(tokenizer).hexdigest(),
        files={name: sha256(content).hexdigest() for name, content in contents.items()},
        golden=_golden(source, table, scales),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(text + b"\n")
    return manifest


def _golden(source: Published, table: NDArray[np.int8], scales: Tensor) -> tuple[Golden, ...]:
    tokenizer = Tokenizer.from_buffer(source.tokenizer)
    golden = []
    for text in GOLDEN_TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        total = scales[ids].astype(np.float64) @ table[ids].astype(np.float64)
        leading = (total / np.linalg.norm(total))[:GOLDEN_COMPONENTS]
        golden.append(
            Golden(text=text, vector=tuple(round(float(c), GOLDEN_DIGITS) for c in leading))
        )
    return tuple(golden)


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
