"""What a static head and an encoder's head say of the same rows, neither having seen them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.errors import BenchmarkError
from benchmarks.heads.intents import OUT_OF_SCOPE, IntentSet, read
from benchmarks.heads.kept import Arrays
from benchmarks.heads.quality import Bench, fit, fit_of
from benchmarks.heads.quality import vectors as encoded
from tidegate.learning.cascade import Rows, choose_threshold, choose_without_fold
from tidegate.learning.fit import Measured, folds, measure
from tidegate.learning.rows import TrainingSet
from tidegate.node.static_training import embed
from tidegate.ports.encoder import StaticTable
from tidegate.statistics import linear, ngrams
from tidegate.statistics.calibration import Bools, Float64, Integers, probabilities
from tidegate.statistics.linear import Float32

NEVER = 2.0
"""A threshold that no confidence reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Rows in scope, one value each."""

    static_right: Bools
    encoder_right: Bools
    stops: Bools
    """The static head answers."""
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    fitted: Arrays
    measured: Measured
    labels: Sequence[str | bool]

    def judge(
        self, vectors: Float32, texts: Sequence[str], truth: Sequence[str | bool | None]
    ) -> tuple[Float64, Bools]:
        """Give confidences on fresh rows, and whether each answer is right."""
        scores = linear.scores(self.fitted["weights"], self.fitted["bias"], vectors)
        if len(self.fitted["ngrams"]):
            scores += ngrams.contributions(self.fitted["ngrams"], ngrams.grams(texts))
        given = probabilities(scores, self.measured.calibration)
        answers = [self.labels[i] for i in given.argmax(axis=1)]
        is_right = np.array([one == other for one, other in zip(answers, truth, strict=True)])
        return given.max(axis=1).astype(np.float64), is_right


def judge(bench: Bench, intents: IntentSet, table: StaticTable) -> Judgement:
    """Fit both heads on one set and let them answer rows that they had not seen."""
    made = fit(bench, intents)
    rows, assigned = made.rows, folds(made.rows.groups)
    encoder = _Head(made.arrays, made.measured, rows.labels)
    bench.progress.step(f"{intents.name}: fit on static embeddings")
    static = _static_head(bench, _static(rows.texts, table), rows, assigned)
    seen = Rows(static.measured.confidences, static.measured.is_right, encoder.measured.is_right)
    if bench.test_data is not None:
        return _on_test(bench, intents, table, (static, encoder), choose_threshold(seen))
    in_scope = np.array([rows.labels[target] != OUT_OF_SCOPE for target in rows.targets])
    stops = choose_without_fold(seen, assigned)
    note = (
        f"{intents.name}: {len(np.unique(assigned))} folds over {len(rows.texts)} rows,"
        f" {int(in_scope.sum())} in scope are counted; threshold on all"
        f" {_spelt(choose_threshold(seen))}"
    )
    return Judgement(
        seen.static_right[in_scope], seen.encoder_right[in_scope], stops[in_scope], note
    )


def _static_head(bench: Bench, vectors: Float32, rows: TrainingSet, assigned: Integers) -> _Head:
    made = fit_of(bench, vectors, rows, assigned, channel=False)
    targets = np.array(rows.targets, dtype=np.int64)
    generator = np.random.default_rng(bench.seed)
    measured = measure(made["scores"], targets, assigned, rows.labels, generator)
    return _Head(made, measured, rows.labels)


def _on_test(
    bench: Bench,
    intents: IntentSet,
    table: StaticTable,
    heads: tuple[_Head, _Head],
    threshold: float | None,
) -> Judgement:
    """Measure on test files what was made on all other rows."""
    assert bench.test_data is not None
    static, encoder = heads
    test = read(bench.test_data, intents.name, ("test",))
    known = [row for row in test if row.label != OUT_OF_SCOPE]
    texts, truth = [row.text for row in known], [row.label for row in known]
    confidences, static_right = static.judge(_static(texts, table), texts, truth)
    _, encoder_right = encoder.judge(encoded(bench, texts), texts, truth)
    note = (
        f"{intents.name}: made on all rows, measured on {len(known)} test rows in scope; threshold"
        f" {_spelt(threshold)}"
    )
    stops = confidences >= (NEVER if threshold is None else threshold)
    return Judgement(static_right, encoder_right, stops, note)


def _static(texts: Sequence[str], table: StaticTable) -> Float32:
    has_vector, vectors = embed(texts, table)
    if not has_vector.all():
        raise BenchmarkError("some texts are too long for static embeddings; take another set")
    return vectors


def _spelt(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.3f}"
