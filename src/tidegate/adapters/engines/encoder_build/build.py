"""From a folder of published weights to a folder that `engines/onnx_encoder.py` runs.

The folder is in the layout of sentence-transformers and holds safetensors of a BERT-family model.
The same inputs and locked libraries give the same bytes.
"""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tidegate.adapters.encoder_files import MANIFEST, Golden, Manifest, Precision, Source
from tidegate.adapters.encoder_layout import (
    CONFIG,
    POSITIONS_AFTER_PADDING,
    Layout,
    read_layout,
    required,
)
from tidegate.adapters.engines.encoder_build.checkpoint import Bert, Shape, fold
from tidegate.adapters.engines.encoder_build.quantise import condition
from tidegate.adapters.engines.encoder_build.running import Session, channel_maxima
from tidegate.adapters.engines.encoder_build.safetensors import (
    Tensor,
    read_safetensors,
    weight_files,
)
from tidegate.adapters.whole_folder import write_whole_folder
from tidegate.errors import EncoderUnusable, MissingExtra

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Stage = Literal["read", "calibrate", "write", "check"]
Report = Callable[[Stage, int, int], None]
"""Gets the stage, steps done and steps expected."""

TOKENIZER = "tokenizer.json"
CALIBRATION = Path(__file__).with_name("calibration.txt")
LARGEST_GRAPH = 2_000_000_000
"""Bytes that one ONNX file can hold in the format that is written."""
ACTIVATION = "gelu"

# One short, one with digits and marks, one that fills most of the window.
GOLDEN_TEXTS = (
    "Where is my parcel?",
    "I was charged $48.20 twice on 3 March; please refund one of the payments.",
    (
        "My flight was cancelled and the next one leaves only tomorrow. The airline says that the"
        " weather is to blame, so there is no compensation, but other planes took off all evening."
        " I paid for a hotel and a taxi myself and kept the receipts. Can I claim the costs, what"
        " is the deadline, and do I have to write to the airline or to the agency that sold me the"
        " ticket? I would also like to know whether the unused return leg is refunded in cash."
    ),
)
GOLDEN_COMPONENTS = 64
GOLDEN_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be built."""

    folder: Path
    """Weights, tokenizer.json and configuration, as published."""
    out: Path
    """The new folder."""
    name: str
    precision: Precision
    licence: str
    language: tuple[str, ...] = ()
    prefix: str = ""
    shorter: tuple[int, ...] = ()
    """Further lengths to which the model's vectors may be cut (Matryoshka)."""
    source: Source | None = None
    """None: the folder itself."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What else belongs into the new folder, as licence texts do."""


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it was published, read and folded."""

    layout: Layout
    bert: Bert
    tokenizer: bytes


def build_encoder(job: Job, report: Report) -> Manifest:
    """Build and write; `job.out` is there whole when this returns, and untouched when it raises.

    Raises EncoderUnusable, MissingExtra.
    """
    if importlib.util.find_spec("onnx") is None:
        raise MissingExtra("onnx", "build")
    if job.out.exists():
        raise EncoderUnusable(f"`{job.out}` exists; give a folder that does not")
    published = read_published(job.folder, report)
    model = write_model(published, job.precision, report)
    manifest = _manifest(job, published, model, report)
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    contents = {
        **job.files,
        manifest.model: model,
        TOKENIZER: published.tokenizer,
        MANIFEST: text,
    }
    try:
        job.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole_folder(job.out, contents, mode=0o755)
    except OSError as error:
        raise EncoderUnusable(f"`{job.out}` cannot be written: {error.strerror}") from error
    return manifest


def read_published(folder: Path, report: Report) -> Published:
    """Read and fold what lies in `folder`; raises EncoderUnusable."""
    layout = read_layout(folder)
    shape = _shape(folder, layout)
    files = weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for count, file in enumerate(files):
        report("read", count, len(files))
        tensors |= read_safetensors(file)
    report("read", len(files), len(files))
    if sum(tensor.nbytes for tensor in tensors.values()) > LARGEST_GRAPH:
        raise EncoderUnusable(
            f"the weights of `{folder}` take more than {LARGEST_GRAPH:,} bytes in float32, which"
            " one ONNX file cannot hold"
        )
    bert = fold(tensors, shape)
    if bert.words.shape[-1] != layout.width:
        raise EncoderUnusable(
            f"`{folder / CONFIG}` says that `hidden_size` is {layout.width}, the weights have"
            f" {bert.words.shape[-1]}"
        )
    tokenizer = plain_tokenizer(folder / TOKENIZER)
    largest = _tokenizer(tokenizer, folder / TOKENIZER).get_vocab_size()
    if largest > len(bert.words):
        raise EncoderUnusable(
            f"`{folder / TOKENIZER}` has {largest} tokens, the weights only {len(bert.words)}"
        )
    return Published(layout, bert, tokenizer)


def write_model(published: Published, precision: Precision, report: Report) -> bytes:
    """Give the ONNX file in one precision."""
    from tidegate.adapters.engines.encoder_build import graph

    bert = published.bert
    if precision == "int8":
        texts = CALIBRATION.read_text(encoding="utf-8").splitlines()
        ids = _ids(published, texts, most=published.layout.max_tokens)
        tapped = graph.serialised(graph.build(bert, "float32", taps=True))
        maxima = channel_maxima(tapped, ids, lambda done: report("calibrate", done, len(texts)))
        bert = condition(bert, maxima)
    report("write", 0, 1)
    model = graph.serialised(graph.build(bert, precision))
    report("write", 1, 1)
    return model


def plain_tokenizer(path: Path) -> bytes:
    """Give a published tokenizer without its fixed padding and truncation."""
    try:
        tokenizer = json.loads(path.read_bytes())
    except OSError as error:
        raise EncoderUnusable(
            f"cannot read `{path}`: {error.strerror}; save the model's fast tokenizer there"
        ) from error
    except ValueError as error:
        raise EncoderUnusable(f"`{path}` is not JSON: {error}") from error
    tokenizer["padding"] = None
    tokenizer["truncation"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()


def weights_hash(folder: Path) -> str:
    """Give the sha256 of the weights; of several files, that of their hashes in a row."""
    digests = []
    for path in weight_files(folder):
        with path.open("rb") as file:
            digests.append(file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def _shape(folder: Path, layout: Layout) -> Shape:
    config, path = layout.transformer, folder / CONFIG
    kind = config.model_type
    if kind not in {"bert", *POSITIONS_AFTER_PADDING}:
        known = ", ".join(f"`{one}`" for one in ("bert", *sorted(POSITIONS_AFTER_PADDING)))
        raise EncoderUnusable(
            f"`{path}`: `model_type` is {kind!r}; these can be built: {known}. Any other encoder"
            " can be run from an ONNX file, see docs/encoder.md"
        )
    if config.hidden_act != ACTIVATION or config.position_embedding_type != "absolute":
        raise EncoderUnusable(
            f"`{path}`: `hidden_act` must be `{ACTIVATION}` and `position_embedding_type`"
            f" `absolute`; they are `{config.hidden_act}` and `{config.position_embedding_type}`"
        )
    if kind in POSITIONS_AFTER_PADDING and config.pad_token_id is None:
        raise EncoderUnusable(f"`{path}` has no `pad_token_id`, behind which positions begin")
    return Shape(
        layers=required(config.num_hidden_layers, path, "num_hidden_layers"),
        heads=required(config.num_attention_heads, path, "num_attention_heads"),
        max_tokens=layout.max_tokens,
        epsilon=config.layer_norm_eps,
        first_position=config.first_position,
        pooling=layout.pooling,
    )


def _manifest(job: Job, published: Published, model: bytes, report: Report) -> Manifest:
    file = f"model.{job.precision}.onnx"
    width = published.layout.width
    unfit = [length for length in job.shorter if not 0 < length < width]
    if unfit:
        raise EncoderUnusable(
            f"vectors of {width} components cannot be cut to {unfit[0]}; give 1 to {width - 1}"
        )
    source = job.source or Source(
        package=job.folder.resolve().name, weights_sha256=weights_hash(job.folder)
    )
    golden = _golden(published, model, job.prefix, report)
    contents = {**job.files, file: model, TOKENIZER: published.tokenizer}
    return Manifest(
        name=job.name,
        dimensions=width,
        allowed_dimensions=(*sorted({*job.shorter}), width),
        max_tokens=published.layout.max_tokens,
        pooling=published.layout.pooling,
        normalise=True,
        language=job.language,
        licence=job.licence,
        precision=job.precision,
        source=source,
        model=file,
        tokenizer=TOKENIZER,
        files={name: sha256(content).hexdigest() for name, content in contents.items()},
        golden=golden,
        prefix=job.prefix,
    )


def _golden(published: Published, model: bytes, prefix: str, report: Report) -> tuple[Golden, ...]:
    """Encode the texts that fit into one window: of longer ones the engine takes a mean."""
    session = Session(model)
    golden: list[Golden] = []
    most = published.layout.max_tokens
    for count, text in enumerate(GOLDEN_TEXTS):
        report("check", count, len(GOLDEN_TEXTS))
        tokens = _ids(published, [prefix + text], most=most + 1)[0]
        if len(tokens) <= most:
            vector = session.vector(tokens)[:GOLDEN_COMPONENTS]
            leading = tuple(round(float(component), GOLDEN_DIGITS) for component in vector)
            golden.append(Golden(text=text, vector=leading))
    report("check", len(GOLDEN_TEXTS), len(GOLDEN_TEXTS))
    return tuple(golden)


def _ids(published: Published, texts: Sequence[str], *, most: int) -> list[list[int]]:
    tokenizer = _tokenizer(published.tokenizer, Path(TOKENIZER))
    tokenizer.enable_truncation(most)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def _tokenizer(content: bytes, path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_buffer(content)
    except ValueError as error:
        raise EncoderUnusable(f"`{path}` is not a tokenizer: {error}") from error
