"""Which encoder a folder holds: one with our manifest, or one in sentence-transformers' layout."""

from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import msgspec

from tidegate.adapters.encoder_files import (
    MANIFEST,
    Manifest,
    Pooling,
    Source,
    check_files,
    read_manifest,
)
from tidegate.adapters.encoder_layout import read_layout
from tidegate.errors import EncoderMismatch, EncoderUnusable

MODELS = ("model.onnx", "onnx/model.onnx")
"""Where exporters put the graph."""
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Described:
    """What the operator says about an encoder beside its folder; None: the folder knows."""

    pooling: Pooling | None = None
    prefix: str | None = None
    shorter: tuple[int, ...] | None = None


AS_IT_IS = Described()


def describe(folder: Path, given: Described = AS_IT_IS) -> Manifest:
    """Read and check a folder; raises EncoderMismatch, EncoderUnusable."""
    if (folder / MANIFEST).exists() or not (folder / "config.json").exists():
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        if given.pooling not in {None, manifest.pooling}:
            raise EncoderUnusable(
                f"`{folder / MANIFEST}` says that its pooling is `{manifest.pooling}`, not"
                f" `{given.pooling}`; leave `pooling` away"
            )
    else:
        manifest = _from_layout(folder, given.pooling)
    changes: dict[str, object] = {}
    if given.prefix is not None and given.prefix != manifest.prefix:
        # Golden vectors were made with the other one.
        changes |= {"prefix": given.prefix, "golden": ()}
    if given.shorter is not None:
        changes["allowed_dimensions"] = (
            *sorted({*given.shorter} - {manifest.dimensions}),
            manifest.dimensions,
        )
    found: Manifest = msgspec.structs.replace(manifest, **changes)
    wrong = next(
        (one for one in found.allowed_dimensions if not 1 <= one <= found.dimensions), None
    )
    if wrong is not None:
        raise EncoderUnusable(
            f"the vectors of `{folder}` have {found.dimensions} components; they can be cut to"
            f" lengths below that, not to {wrong}"
        )
    return found


def _from_layout(folder: Path, pooling: Pooling | None) -> Manifest:
    layout = read_layout(folder, pooling=pooling)
    model = next((name for name in MODELS if (folder / name).is_file()), None)
    if model is None:
        raise EncoderUnusable(
            f"`{folder}` has no `{MODELS[0]}`; make one of its weights: tidegate bundles"
            f" build-encoder DIR --from {folder}"
        )
    files = {name: _sha256(folder / name) for name in (model, TOKENIZER)}
    return Manifest(
        name=folder.resolve().name,
        dimensions=layout.width,
        allowed_dimensions=(layout.width,),
        max_tokens=layout.max_tokens,
        pooling=layout.pooling,
        normalise=True,
        language=(),
        licence="not stated",
        precision="float32",
        source=Source(package=folder.resolve().name, weights_sha256=files[model]),
        model=model,
        tokenizer=TOKENIZER,
        files=files,
        golden=(),
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderMismatch(f"cannot read `{path}`: {error.strerror}") from error
