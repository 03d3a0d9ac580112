"""The folder that holds static embeddings: a vector for each token, its manifest, its fingerprint.

scripts/encoder/static.py writes it, engines/static_embeddings.py reads it.
"""

from hashlib import file_digest, sha256
from importlib.resources import files
from pathlib import Path

import msgspec

from tidegate.adapters.encoder_files import MANIFEST, PLAIN_FILE, Golden
from tidegate.errors import EncoderMismatch, EncoderUnusable

SHIPPED_STATIC = "all-minilm-l6-v2-static"
"""Name of the static embeddings in the package."""


class Distilled(msgspec.Struct, frozen=True, kw_only=True):
    """How the vectors came about; enough to make them again."""

    encoder: str
    """Name of the encoder that every token went through, in float32."""
    weights_sha256: str
    """Of the encoder's published weights."""
    smoothing: float
    """`a` of the frequency weight a / (a + p)."""
    offset: float
    """`q` of Zipf's law, p proportional to 1 / (rank + q); the rank is the token's id."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the folder holds and what must come out."""

    name: str
    dimensions: int
    tokens: int
    language: tuple[str, ...]
    licence: str
    distilled: Distilled
    table: str
    """npy, int8, a row a token."""
    scales: str
    """npy, float32, one a token: step of the row times the frequency weight."""
    tokenizer_sha256: str
    """Of the tokenizer.json whose ids are the rows."""
    files: dict[str, str]
    """sha256 of every other file of the folder, by name."""
    golden: tuple[Golden, ...]

    @property
    def fingerprint(self) -> str:
        """Hash over all that decides a vector; vectors of different fingerprints never mix."""
        parts = {
            "scales": self.files[self.scales],
            "table": self.files[self.table],
            "tokenizer": self.tokenizer_sha256,
        }
        return sha256(msgspec.json.encode(parts)).hexdigest()


def shipped_static() -> Path:
    """The folder of the static embeddings that are part of the package."""
    return Path(str(files("tidegate").joinpath("weights", SHIPPED_STATIC)))


def read_static_manifest(folder: Path) -> Manifest:
    """The manifest of this folder; raises EncoderMismatch, EncoderUnusable."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise EncoderMismatch(f"cannot read `{path}`: {error.strerror}; install again") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EncoderMismatch(
            f"`{path}` is not the manifest of static embeddings: {error}"
        ) from error
    for name in (manifest.table, manifest.scales):
        if not PLAIN_FILE.fullmatch(name) or name not in manifest.files:
            raise EncoderUnusable(f"`{path}`: {name!r} is not the name of a listed file beside it")
    return manifest


def check_hash(path: Path, expected: str) -> None:
    """Refuse a file that is not the one expected."""
    try:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderMismatch(f"cannot read `{path}`: {error.strerror}; install again") from error
    if found != expected:
        raise EncoderMismatch(
            f"`{path}` is not the file that the static embeddings belong to (sha256 {found});"
            " install them again"
        )
