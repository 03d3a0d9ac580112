"""From labelled rows to a new bundle in the state directory: what `train` and `demo` do."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.adapters.fitter.child_process import fit
from tidegate.bundles.fingerprint import fingerprint
from tidegate.bundles.golden import TEXTS
from tidegate.bundles.manifest import Draft, check_name, pack, unpack
from tidegate.domain.bundle import (
    Bundle,
    Float32,
    Golden,
    Head,
    NgramChannel,
    Pooling,
    Provenance,
    StaticHead,
)
from tidegate.domain.question import Question
from tidegate.errors import FitError
from tidegate.learning.fit import Measured, folds, measure
from tidegate.learning.novelty import Outside, Seen, fit_novelty
from tidegate.learning.rows import TrainingSet, read_rows, training_set
from tidegate.node.static_training import Judged, StaticFit, fit_static
from tidegate.node.verified import golden
from tidegate.ports.encoder import Encoder, StaticTable
from tidegate.statistics import linear, ngrams

Stage = Literal["encode", "fit", "static"]
Report = Callable[[Stage, int, int], None]
"""Gets the stage, steps done and steps expected."""

ENCODER = "weights/all-minilm-l6-v2"
"""The encoder that ships, inside the package."""
CHUNK = 32
"""Texts handed to the encoder at once: enough to keep its threads busy, below its queue."""
NULL_SEED = 1
"""Of the draws behind `ece_null95`: the same rows always give the same bundle."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained."""

    bundle: str
    data: bytes
    """JSON lines: `text`, `label` (null: out of scope), optionally `family`."""
    source: str
    """What errors call the data: its file name."""
    question: Question | None
    now: float
    """Seconds since the epoch, UTC."""
    licence: str | None = None
    pooling: Pooling = "mean"
    zones: tuple[str, ...] = ()
    """Residency zones that the rows belong to."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What the encoder made of the texts."""

    vectors: Float32
    """One row a text."""
    truncated: int
    """Texts of which the encoder did not read the end."""
    windowed: int
    """Texts that took more than one window."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The new bundle and what was found out on the way."""

    bundle: Bundle
    folder: Path
    rows: TrainingSet
    measured: Measured
    truncated: int
    """Texts of which the encoder did not read the end."""
    static: StaticFit | None
    """None: no static embeddings were given."""


def train(
    job: Job,
    encoder: Encoder,
    bundles: BundleFolder,
    report: Report,
    *,
    table: StaticTable | None = None,
) -> Trained:
    """Encode, fit, measure and store; the bundle is there whole when this returns.

    With a `table` of static embeddings a head on them is fitted too, where it pays.

    Blocks for seconds to minutes; an event loop that runs already calls it in a thread.
    """
    check_name(job.bundle)
    rows = training_set(read_rows(job.data, source=job.source), job.question)
    assigned = folds(rows.groups)
    texts = (*rows.texts, *rows.outside)
    encoded = asyncio.run(encode(texts, encoder, report))
    if job.pooling == "max" and encoded.windowed:
        raise FitError(
            f"{job.source}: {encoded.windowed} texts take several windows of the encoder, and a"
            " head that takes the best window is fitted on texts of one; split them, or set"
            " `pooling: mean` for the task."
        )
    vectors = encoded.vectors[: len(rows.texts)]
    targets = np.array(rows.targets, dtype=np.int64)
    fitted = fit(
        vectors,
        targets,
        assigned,
        labels=len(rows.labels),
        report=lambda done, total: report("fit", done, total),
        grams=ngrams.grams(rows.texts),
    )
    generator = np.random.default_rng(NULL_SEED)
    measured = measure(fitted.scores, targets, assigned, rows.labels, generator)
    head = Head(
        labels=rows.labels,
        weights=fitted.weights,
        bias=fitted.bias,
        calibration=measured.calibration,
        ngrams=None if fitted.ngrams is None else NgramChannel(ngrams.SCHEME, fitted.ngrams),
        pooling=job.pooling,
    )
    seen = Seen(vectors, targets, assigned, fitted.scores, measured.calibration)
    outside = _outside(head, rows.outside, encoded.vectors[len(rows.texts) :])
    static = None
    # Whoever asks for the best window wants nothing overlooked, as in moderation.
    if table is not None and job.pooling == "mean":
        judged = Judged(rows.texts, rows.labels, targets, assigned, measured.is_right, rows.outside)
        static = fit_static(judged, table, lambda done, total: report("static", done, total))
    wording = None if job.question is None else fingerprint(job.question)
    draft = Draft(
        name=job.bundle,
        created=job.now,
        encoder=encoder.fingerprint,
        head=head,
        questions=() if wording is None else (wording,),
        metrics=measured.metrics,
        provenance=Provenance(
            "file", sha256(job.data).hexdigest(), len(rows.texts), zones=job.zones
        ),
        golden=_golden(head, None if static is None else static.head, encoder, table),
        licence=job.licence,
        static=None if static is None else static.head,
        novelty=fit_novelty(seen, outside),
    )
    version, content = pack(draft, bundles.next_number(job.bundle))
    bundle = unpack(content, name=job.bundle, version=version)
    folder = bundles.write(job.bundle, version, content)
    return Trained(bundle, folder, rows, measured, encoded.truncated, static)


async def encode(texts: Sequence[str], encoder: Encoder, report: Report) -> Encoded:
    """Give one vector a text."""
    vectors = np.empty((len(texts), encoder.dimensions), dtype=np.float32)
    truncated = windowed = 0
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        encodings = await asyncio.gather(*(encoder.encode(text) for text in chunk))
        vectors[start : start + len(chunk)] = [one.vector for one in encodings]
        truncated += sum(one.is_truncated for one in encodings)
        windowed += sum(one.window_count > 1 for one in encodings)
        report("encode", start + len(chunk), len(texts))
    return Encoded(vectors, truncated, windowed)


def _outside(head: Head, texts: Sequence[str], vectors: Float32) -> Outside | None:
    """Score the rows of no label, as the head will."""
    if not texts:
        return None
    scores = linear.scores(head.weights, head.bias, vectors)
    if head.ngrams is not None:
        weights = head.ngrams.weights
        scores += ngrams.contributions(weights, ngrams.grams(texts, len(weights)))
    return Outside(vectors, scores)


def encoder_folder() -> Path:
    """Give the folder of the encoder that ships."""
    return Path(str(files("tidegate").joinpath(ENCODER)))


def bundled_encoder(threads: int) -> OnnxEncoder:
    """Give the encoder that ships, opened and checked; the caller closes it."""
    encoder = OnnxEncoder(encoder_folder(), OnnxEncoderSettings(threads=threads))
    encoder.open()
    encoder.check()
    return encoder


def _golden(
    head: Head, static: StaticHead | None, encoder: Encoder, table: StaticTable | None
) -> tuple[Golden, ...]:
    async def scored() -> list[Golden]:
        return [await golden(text, head, static, encoder, table) for text in TEXTS]

    return tuple(asyncio.run(scored()))
