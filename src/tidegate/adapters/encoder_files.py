"""The folder that holds an encoder: its manifest, the hashes of its files, its fingerprint.

engines/encoder_build writes such a folder, engines/onnx_encoder.py runs what is in it.
"""

import re
from hashlib import file_digest, sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from tidegate.errors import EncoderMismatch, EncoderUnusable

MANIFEST = "manifest.json"
SHIPPED = "all-minilm-l6-v2"
"""Name of the encoder in the package."""
PLAIN_FILE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}")
"""Names of files (`fullmatch`): nothing that could lead out of a folder."""

Pooling = Literal["mean", "cls"]
Precision = Literal["int8", "exact", "float32"]
"""`exact`: 8-bit weights in blocks of 32 with a scale each, activations in float32."""


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the weights come from: a package of an index, or the name of a folder."""

    package: str
    version: str = ""
    wheel_sha256: str = ""
    weights_sha256: str


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """A text and the leading components of the vector that it must get."""

    text: str
    vector: tuple[float, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an encoder is and what it must answer."""

    name: str
    dimensions: int
    allowed_dimensions: tuple[int, ...]
    max_tokens: int
    pooling: Pooling
    normalise: bool
    language: tuple[str, ...]
    licence: str
    precision: Precision
    source: Source
    model: str
    tokenizer: str
    files: dict[str, str]
    """sha256 of every other file of the folder, by name."""
    golden: tuple[Golden, ...]
    prefix: str = ""
    """What the model was trained to see before every text, as in `query: `."""

    @property
    def fingerprint(self) -> str:
        """Hash over all that decides a vector; vectors of different fingerprints never mix."""
        parts = {
            "max_tokens": self.max_tokens,
            "normalise": self.normalise,
            "pooling": self.pooling,
            "precision": self.precision,
            "tokenizer": self.files[self.tokenizer],
            "weights": self.files[self.model],
        }
        if self.prefix:
            parts["prefix"] = self.prefix
        return sha256(msgspec.json.encode(parts)).hexdigest()


def shipped() -> Path:
    """The folder of the encoder that is part of the package."""
    return Path(str(files("tidegate").joinpath("weights", SHIPPED)))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of this folder; raises EncoderMismatch when there is none that can be read."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EncoderMismatch(f"`{path}` is not the manifest of an encoder: {error}") from error
    for name in (manifest.model, manifest.tokenizer, *manifest.files):
        if not PLAIN_FILE.fullmatch(name):
            raise EncoderUnusable(f"`{path}`: {name!r} is not the name of a file beside it")
    for name in (manifest.model, manifest.tokenizer):
        if name not in manifest.files:
            raise EncoderUnusable(f"`{path}` has no sha256 of `{name}` under `files`")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder whose files are not those that the manifest lists."""
    for name in (manifest.model, manifest.tokenizer):
        path = folder / name
        try:
            with path.open("rb") as file:
                found = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from error
        if found != manifest.files.get(name):
            raise EncoderMismatch(
                f"`{path}` is not the file that `{MANIFEST}` lists (sha256 {found});"
                " install the encoder again"
            )


def _unreadable(path: Path, error: OSError) -> EncoderMismatch:
    return EncoderMismatch(f"cannot read `{path}`: {error.strerror}; install the encoder again")
