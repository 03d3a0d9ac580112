"""Fits the head on static embeddings beside that on the encoder, where the pair is worth it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from tidegate.adapters.engines.static_embeddings import StaticEmbeddings
from tidegate.adapters.fitter.child_process import Fitted, fit
from tidegate.adapters.static_files import shipped_static
from tidegate.domain.bundle import StaticHead, StaticMetrics
from tidegate.domain.question import ChoiceValue
from tidegate.errors import FitError
from tidegate.learning.cascade import Pair, Rows, measure_pair
from tidegate.learning.fit import measure
from tidegate.learning.novelty import Outside, Seen, fit_novelty
from tidegate.ports.encoder import StaticTable
from tidegate.statistics import linear
from tidegate.statistics.calibration import Bools, Integers
from tidegate.statistics.linear import Float32

TOKENIZER = "weights/all-minilm-l6-v2/tokenizer.json"
"""The tokenizer of the static embeddings, which is that of the encoder they come from."""
NULL_SEED = 1


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows with what the encoder's head, which had not seen them, made of each."""

    texts: Sequence[str]
    labels: tuple[ChoiceValue, ...]
    targets: Integers
    folds: Integers
    is_right: Bools
    outside: Sequence[str] = ()
    """Texts that are out of scope."""


@dataclass(frozen=True, slots=True, eq=False)
class StaticFit:
    """What came of it."""

    head: StaticHead | None
    """None: static embeddings answer nothing of this task."""
    reason: str
    """Why there is no head; empty when there is one."""
    pair: Pair | None = None
    rows: Rows | None = None
    """Out-of-fold confidences; None where nothing could be fitted."""


def open_static() -> StaticEmbeddings:
    """Give the static embeddings that ship."""
    tokenizer = Path(str(files("tidegate").joinpath(TOKENIZER)))
    return StaticEmbeddings.open(shipped_static(), tokenizer)


def fit_static(rows: Judged, table: StaticTable, report: Callable[[int, int], None]) -> StaticFit:
    """Fit, calibrate and choose the threshold; a task that gains nothing is a normal outcome."""
    has_vector, vectors = embed(rows.texts, table)
    targets, assigned = rows.targets[has_vector], rows.folds[has_vector]
    if len(np.unique(targets)) < len(rows.labels):
        return StaticFit(None, "some label has only texts that are too long for static embeddings")
    try:
        fitted = fit(vectors, targets, assigned, labels=len(rows.labels), report=report)
    except FitError as error:
        return StaticFit(None, str(error))
    generator = np.random.default_rng(NULL_SEED)
    measured = measure(fitted.scores, targets, assigned, rows.labels, generator)
    confidences = np.full(len(rows.texts), -1.0)
    confidences[has_vector] = measured.confidences
    static_right = np.zeros(len(rows.texts), dtype=np.bool_)
    static_right[has_vector] = measured.is_right
    seen = Rows(confidences, static_right, rows.is_right)
    pair = measure_pair(seen, rows.folds)
    if pair.threshold is None or not pair.pays:
        return StaticFit(None, "the rows do not show that the pair keeps its accuracy", pair, seen)
    head = StaticHead(
        table=table.fingerprint,
        weights=fitted.weights,
        bias=fitted.bias,
        calibration=measured.calibration,
        threshold=pair.threshold,
        metrics=StaticMetrics(
            accuracy=pair.static_accuracy,
            share=pair.share,
            pair_accuracy=pair.accuracy,
            encoder_accuracy=pair.encoder_accuracy,
        ),
        novelty=fit_novelty(
            Seen(vectors, targets, assigned, fitted.scores, measured.calibration),
            _outside(fitted, rows.outside, table),
        ),
    )
    return StaticFit(head, "", pair, seen)


def _outside(fitted: Fitted, texts: Sequence[str], table: StaticTable) -> Outside | None:
    """Score the rows of no label, as the head will."""
    _, vectors = embed(texts, table)
    if not len(vectors):
        return None
    return Outside(vectors, linear.scores(fitted.weights, fitted.bias, vectors))


def embed(texts: Sequence[str], table: StaticTable) -> tuple[Bools, Float32]:
    """Tell which texts have a static vector, and give one row for each of those."""
    found = [table.embed(text) for text in texts]
    has_vector = np.array([one is not None for one in found])
    vectors = [one.vector for one in found if one is not None]
    empty = np.zeros((0, table.dimensions), np.float32)
    return has_vector, np.stack(vectors) if vectors else empty
