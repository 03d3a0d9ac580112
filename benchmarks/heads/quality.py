"""Accuracy and calibration of the head that `tidegate train` would make of a set.

Out-of-fold by the product's own folds, calibration cross-fitted; or, with test files, of the head
fitted on all other rows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness.progress import Progress
from benchmarks.heads.intents import OUT_OF_SCOPE, IntentSet, read
from benchmarks.heads.kept import Arrays, kept, key
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.adapters.fitter import child_process, sklearn_child
from tidegate.domain.bundle import OperatingPoint
from tidegate.learning.fit import Measured, folds, measure
from tidegate.learning.rows import Row, TrainingSet, training_set
from tidegate.node.training import encode
from tidegate.statistics import linear, ngrams
from tidegate.statistics.calibration import (
    Bools,
    Integers,
    expected_error,
    null_error,
    probabilities,
)
from tidegate.statistics.linear import Float32

FITTER = Path(sklearn_child.__file__)
CHANNEL = Path(ngrams.__file__)


@dataclass(frozen=True, slots=True)
class Quality:
    """What one set showed."""

    accuracy: float
    """Of rows in scope."""
    ece: float
    ece_null95: float
    note: str
    weights: Float32
    bias: Float32


@dataclass(frozen=True, slots=True)
class Bench:
    """What the measurements share."""

    encoder: OnnxEncoder
    cache: Path
    data: Path
    test_data: Path | None
    seed: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Fit:
    """A set, the head that was fitted on it, and what out-of-fold scores say."""

    rows: TrainingSet
    arrays: Arrays
    measured: Measured

    @property
    def in_scope(self) -> Bools:
        """Mark the rows that have an intent."""
        labels = self.rows.labels
        return np.array([labels[target] != OUT_OF_SCOPE for target in self.rows.targets])


def fit(bench: Bench, intents: IntentSet) -> Fit:
    """Encode and fit one set, or take what was kept."""
    rows = training_set(read(bench.data, intents.name, intents.parts), None)
    bench.progress.step(f"{intents.name}: encode {len(rows.texts)} texts")
    encoded = vectors(bench, rows.texts)
    bench.progress.step(f"{intents.name}: fit")
    assigned = folds(rows.groups)
    targets = np.array(rows.targets, dtype=np.int64)
    fitted = fit_of(bench, encoded, rows, assigned)
    generator = np.random.default_rng(bench.seed)
    return Fit(rows, fitted, measure(fitted["scores"], targets, assigned, rows.labels, generator))


def out_of_fold(bench: Bench, intents: IntentSet) -> Bools:
    """Tell for each row in scope whether a head that had not seen its fold was right."""
    made = fit(bench, intents)
    right: Bools = made.measured.is_right[made.in_scope]
    return right


def quality(bench: Bench, intents: IntentSet) -> Quality:
    """Fit and measure one set."""
    made = fit(bench, intents)
    rows, fitted, measured = made.rows, made.arrays, made.measured
    weights, bias = fitted["weights"], fitted["bias"]
    if bench.test_data is None:
        in_scope = made.in_scope
        metrics = measured.metrics
        note = (
            f"{intents.name}: {metrics.folds} folds over {metrics.rows} rows"
            f" ({int((~in_scope).sum())} out of scope, counted for ECE only), penalty"
            f" {float(fitted['penalty']):g}, {'with' if len(fitted['ngrams']) else 'without'} the"
            f" n-gram channel, {_coverage(metrics.points)}"
        )
        accuracy = float(measured.is_right[in_scope].mean())
        return Quality(accuracy, metrics.ece, metrics.ece_null95, note, weights, bias)
    test = read(bench.test_data, intents.name, ("test",))
    bench.progress.step(f"{intents.name}: encode {len(test)} test texts")
    texts = [row.text for row in test]
    scores = linear.scores(weights, bias, vectors(bench, texts))
    if len(fitted["ngrams"]):
        scores += ngrams.contributions(fitted["ngrams"], ngrams.grams(texts))
    given = probabilities(scores, measured.calibration)
    generator = np.random.default_rng(bench.seed)
    return _tested(intents, rows, test, given, generator, (weights, bias))


def _tested(
    intents: IntentSet,
    rows: TrainingSet,
    test: Sequence[Row],
    given: Float32,
    generator: np.random.Generator,
    head: tuple[Float32, Float32],
) -> Quality:
    """Measure on rows in scope: out-of-scope ones are a far larger share of the test files."""
    confidences = given.max(axis=1).astype(np.float64)
    is_right = np.array(
        [rows.labels[i] == row.label for i, row in zip(given.argmax(axis=1), test, strict=True)]
    )
    in_scope = np.array([row.label != OUT_OF_SCOPE for row in test])
    note = (
        f"{intents.name}: fitted on all {len(rows.texts)} rows, measured on {int(in_scope.sum())}"
        f" test rows in scope; ECE with the {int((~in_scope).sum())} out-of-scope rows"
        f" {expected_error(confidences, is_right):.4f}"
        f" (95 % band {null_error(confidences, generator):.4f})"
    )
    known, right = confidences[in_scope], is_right[in_scope]
    return Quality(
        float(right.mean()),
        expected_error(known, right),
        null_error(known, generator),
        note,
        *head,
    )


def vectors(bench: Bench, texts: Sequence[str]) -> Float32:
    """Encode texts, or take the vectors that were kept."""
    name = key("vectors", bench.encoder.fingerprint, *texts)

    def compute() -> Arrays:
        encoded = asyncio.run(encode(texts, bench.encoder, lambda _stage, _done, _total: None))
        return {"vectors": encoded.vectors}

    return kept(bench.cache, name, compute)["vectors"]


def fit_of(
    bench: Bench, vectors: Float32, rows: TrainingSet, assigned: Integers, *, channel: bool = True
) -> Arrays:
    """Fit once for each content of rows, vectors, folds and fitting code."""
    targets = np.array(rows.targets, dtype=np.int64)
    parts = (vectors.tobytes(), targets.tobytes(), assigned.tobytes())
    code = (FITTER.read_bytes(), CHANNEL.read_bytes())

    def compute() -> Arrays:
        fitted = child_process.fit(
            vectors,
            targets,
            assigned,
            labels=len(rows.labels),
            report=lambda done, total: bench.progress.say(f"  fit {done} of {total}"),
            grams=ngrams.grams(rows.texts) if channel else None,
        )
        counted = fitted.ngrams
        return {
            "weights": fitted.weights,
            "bias": fitted.bias,
            "ngrams": np.zeros((0, len(rows.labels)), "f4") if counted is None else counted,
            "scores": fitted.scores,
            "penalty": np.array(fitted.penalty, dtype=np.float32),
        }

    return kept(bench.cache, key("fit", *parts, *code, *rows.texts), compute)


def _coverage(points: Sequence[OperatingPoint]) -> str:
    told = ", ".join(f"{point.coverage:.3f} at {point.error:.0%}" for point in points)
    return f"coverage on the measured curve {told}"
