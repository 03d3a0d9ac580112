"""Accept scores of the intent sets, by heads and novelties that had not seen the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.heads.intents import OUT_OF_SCOPE, read
from benchmarks.heads.kept import Arrays, kept, key
from benchmarks.heads.quality import Bench, fit_of
from benchmarks.heads.quality import vectors as encode_all
from tidegate.domain.bundle import Acceptance, Calibration, Novelty
from tidegate.learning import novelty as novelty_code
from tidegate.learning.fit import folds
from tidegate.learning.novelty import Outside, Seen, fit_novelty
from tidegate.learning.rows import Row, TrainingSet, training_set
from tidegate.statistics import calibration, linear, ngrams
from tidegate.statistics.calibration import Bools, Float64, probabilities
from tidegate.statistics.linear import Float32
from tidegate.statistics.novelty import accept_scores, distances

CODE = Path(novelty_code.__file__)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Rows with what would have been answered."""

    scores: Float64
    """Accept scores."""
    novelties: Float64
    is_wrong: Bools
    inside: int
    """Rows in scope; they come first."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A head with its novelty, as `tidegate train` would make them."""

    rows: TrainingSet
    fitted: Arrays
    scaled: Calibration
    novelty: Novelty

    def say(self, vectors: Float32, rows: Sequence[Row]) -> Scored:
        """Score rows that were not fitted on; of rows out of scope every answer is wrong."""
        raw = self.raw(vectors, [row.text for row in rows])
        answers = raw.argmax(axis=1)
        sure = probabilities(raw, self.scaled).max(axis=1).astype(np.float64)
        labels = self.rows.labels
        return Scored(
            accept_scores(self.novelty, vectors, answers, sure),
            distances(self.novelty, vectors, answers),
            np.array([labels[i] != row.label for i, row in zip(answers, rows, strict=True)]),
            sum(row.label is not None for row in rows),
        )

    def raw(self, vectors: Float32, texts: Sequence[str]) -> Float32:
        """Give the head's scores before calibration."""
        return raw_scores(self.fitted, vectors, texts)


def raw_scores(fitted: Arrays, vectors: Float32, texts: Sequence[str]) -> Float32:
    """Give a head's scores before calibration, its n-grams included."""
    raw = linear.scores(fitted["weights"], fitted["bias"], vectors)
    if len(fitted["ngrams"]):
        raw += ngrams.contributions(fitted["ngrams"], ngrams.grams(texts))
    return raw


def predictor(bench: Bench, name: str, parts: Sequence[str]) -> tuple[Predictor, Scored]:
    """Fit on some parts of a set; gives with it the left-out scores of the rows fitted on."""
    given = [_scoped(row) for row in read(bench.data, name, parts)]
    rows = training_set(given, None)
    bench.progress.step(f"{name}: encode {len(given)} texts and fit")
    vectors = encode_all(bench, rows.texts)
    assigned = folds(rows.groups)
    fitted = fit_of(bench, vectors, rows, assigned)
    targets = np.array(rows.targets, dtype=np.int64)
    scaled = calibration.fit(fitted["scores"], targets)
    outside = None
    if rows.outside:
        strange = encode_all(bench, rows.outside)
        outside = Outside(strange, raw_scores(fitted, strange, rows.outside))
    seen = Seen(vectors, targets, assigned, fitted["scores"], scaled)
    bench.progress.step(f"{name}: fit what is novel")
    arrays = _novelties(bench, seen, outside)
    terms = arrays["acceptance"]
    novelty = Novelty(
        arrays["form"],
        arrays["slopes"],
        arrays["offsets"],
        Acceptance(float(terms[0]), float(terms[1]), float(terms[2])),
    )
    left_out = Scored(
        arrays["scores"].astype(np.float64),
        arrays["novelties"].astype(np.float64),
        fitted["scores"].argmax(axis=1) != targets,
        len(targets),
    )
    return Predictor(rows, fitted, scaled, novelty), left_out


def measured(bench: Bench, maker: Predictor, folder: Path, name: str, part: str) -> Scored:
    """Score the rows of one part, those out of scope last."""
    rows = [_scoped(row) for row in read(folder, name, (part,))]
    rows.sort(key=lambda row: row.label is None)
    return maker.say(encode_all(bench, [row.text for row in rows]), rows)


def _scoped(row: Row) -> Row:
    return Row(row.text, None) if row.label == OUT_OF_SCOPE else row


def _novelties(bench: Bench, seen: Seen, outside: Outside | None) -> Arrays:
    """Fit the novelty on all rows, and for each fold on the others; kept by content."""
    parts = [seen.vectors.tobytes(), seen.targets.tobytes(), seen.scores.tobytes()]
    if outside is not None:
        parts += [outside.vectors.tobytes(), outside.scores.tobytes()]
    name = key("novelty", CODE.read_bytes(), *parts)

    def compute() -> Arrays:
        whole = fit_novelty(seen, outside)
        scores = np.empty(len(seen.targets), dtype=np.float32)
        novelties = np.empty(len(seen.targets), dtype=np.float32)
        for fold in np.unique(seen.folds):
            held = seen.folds == fold
            others = Seen(
                seen.vectors[~held],
                seen.targets[~held],
                seen.folds[~held],
                seen.scores[~held],
                calibration.fit(seen.scores[~held], seen.targets[~held]),
            )
            made = fit_novelty(others, outside)
            answers = seen.scores[held].argmax(axis=1)
            sure = probabilities(seen.scores[held], others.calibration).max(axis=1)
            scores[held] = accept_scores(made, seen.vectors[held], answers, sure.astype(np.float64))
            novelties[held] = distances(made, seen.vectors[held], answers)
        terms = whole.acceptance
        return {
            "form": whole.form,
            "slopes": whole.slopes,
            "offsets": whole.offsets,
            "acceptance": np.array([terms.intercept, terms.confidence, terms.novelty], np.float32),
            "scores": scores,
            "novelties": novelties,
        }

    return kept(bench.cache, name, compute)
