"""Fits a linear head; runs as a process of its own, the only place that imports scikit-learn.

`python -m tidegate.adapters.fitter.sklearn_child PROBLEM.npz RESULT.npz`; started by
`adapters/fitter/child_process.py`, which reads the JSON lines on stdout.
"""

import json
import math
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

# The package has no type information; one function of it is called.
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tidegate.errors import FitError
from tidegate.statistics import calibration, ngrams
from tidegate.statistics.calibration import Float64, Integers
from tidegate.statistics.linear import Float32

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse strengths of the L2 penalty to choose from; the search walks from `FIRST` downhill."""
FIRST = 3
FEWEST_PENALTIES = 3
"""How many the search looks at when its start is the best: that one and its neighbours."""
MANY_ROWS = 5000
"""From here on one fold is enough to tell penalties apart; the others then cost one fit each."""
CHANNEL_WEIGHTS = (0.1, 0.2, 0.3, 0.45, 0.6, 1.0)
"""Of the n-gram channel beside the head: the best is taken, and none when none helps."""
TOLERANCE = 1e-5
MOST_ITERATIONS = 5000
FEWEST_LABELS = 2
EXIT_UNFITTABLE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Rows as arrays, scaled for the solver."""

    rows: Float64
    centre: Float64
    scale: float
    targets: Integers
    folds: Integers
    labels: int
    grams: ngrams.Grams
    """Hashed n-grams of the texts; of no buckets when the head shall have no such channel."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Weights on the original vectors; a label without rows scores as low as the lowest."""

    weights: Float64
    bias: Float64
    present: NDArray[np.int64]


def main(problem_file: str, result_file: str) -> int:
    """Fit, write the result, and give the exit code."""
    # The parent ends this process; a second handler of Ctrl-C would only print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fit_file(Path(problem_file), Path(result_file), _say)
    except FitError as error:
        _say({"error": str(error)})
        return EXIT_UNFITTABLE
    return 0


def fit_file(
    problem_file: Path, result_file: Path, say: Callable[[dict[str, object]], None]
) -> None:
    """Choose the penalty by folds, fit on all rows, and write weights with out-of-fold scores."""
    problem = _read(problem_file)
    folds = _Folds(problem, say)
    # More threads gain little on these sizes and starve a node on the same machine.
    with threadpool_limits(limits=1):
        penalty = folds.choose()
        scores = folds.scores(penalty)
        head = _fit(problem, np.ones(len(problem.targets), dtype=np.bool_), _solver(penalty))
    if len(head.present) != problem.labels:
        raise FitError("Not every label has a row.")
    scores, channel = _with_channel(problem, scores)
    folds.step()
    np.savez(
        result_file,
        weights=head.weights.astype(np.float32),
        bias=head.bias.astype(np.float32),
        ngrams=channel,
        scores=scores,
        penalty=np.float64(penalty),
    )


class _Folds:
    """Heads that left out one fold each, fitted when first asked for; each solver starts warm."""

    def __init__(self, problem: Problem, say: Callable[[dict[str, object]], None]) -> None:
        self._problem = problem
        self._say = say
        names = [int(fold) for fold in np.unique(problem.folds)]
        self._solvers = {fold: _solver(PENALTIES[FIRST]) for fold in names}
        self._searched = names if len(problem.targets) < MANY_ROWS else names[:1]
        self._held: dict[tuple[float, int], Float32] = {}
        self._done = 0
        self._total = (FEWEST_PENALTIES - 1) * len(self._searched) + len(names) + 1

    def choose(self) -> float:
        """Walk downhill in calibrated held-out log loss from the middle of the penalties."""
        best = FIRST
        direction = -1 if self._loss(FIRST - 1) < self._loss(FIRST) else 1
        while self._loss(best + direction) < self._loss(best):
            best += direction
        return PENALTIES[best]

    def scores(self, penalty: float) -> Float32:
        """Score every row by the head that had not seen its fold."""
        problem = self._problem
        scores = np.empty((len(problem.targets), problem.labels), dtype=np.float32)
        for fold in self._solvers:
            scores[problem.folds == fold] = self._held_out(penalty, fold)
        return scores

    def step(self) -> None:
        """Tell that one more fit is done."""
        self._done += 1
        self._total = max(self._total, self._done)
        self._say({"done": self._done, "total": self._total})

    def _loss(self, index: int) -> float:
        if not 0 <= index < len(PENALTIES):
            return math.inf
        scores = np.concatenate([self._held_out(PENALTIES[index], f) for f in self._searched])
        targets = np.concatenate(
            [self._problem.targets[self._problem.folds == fold] for fold in self._searched]
        )
        return _calibrated_loss(scores, targets)

    def _held_out(self, penalty: float, fold: int) -> Float32:
        key = (penalty, fold)
        if key not in self._held:
            problem = self._problem
            held = problem.folds == fold
            solver = self._solvers[fold]
            solver.C = penalty
            head = _fit(problem, ~held, solver)
            rows = problem.rows[held] / problem.scale + problem.centre
            known = rows @ head.weights.T + head.bias
            self._held[key] = _full(known, head.present, problem.labels).astype(np.float32)
            self.step()
        return self._held[key]


def _with_channel(problem: Problem, scores: Float32) -> tuple[Float32, Float32]:
    """Add the n-gram channel where it lowers the held-out loss; without, it has no rows.

    Its weights are counted, not searched for, so there is nothing that could fail to converge.
    """
    grams = problem.grams
    none = np.zeros((0, problem.labels), np.float32)
    if grams.count == 0:
        return scores, none
    added = np.empty_like(scores)
    for fold in np.unique(problem.folds):
        held = problem.folds == fold
        known = ngrams.log_ratios(
            ngrams.chosen(grams, ~held), problem.targets[~held], problem.labels
        )
        added[held] = ngrams.contributions(known, ngrams.chosen(grams, held))
    losses = {0.0: _calibrated_loss(scores, problem.targets)}
    for weight in CHANNEL_WEIGHTS:
        losses[weight] = _calibrated_loss(scores + np.float32(weight) * added, problem.targets)
    best = np.float32(min(losses, key=losses.__getitem__))
    if best == 0:
        return scores, none
    return scores + best * added, best * ngrams.log_ratios(grams, problem.targets, problem.labels)


def _calibrated_loss(scores: Float32, targets: Integers) -> float:
    return calibration.log_loss(scores, targets, calibration.fit(scores, targets))


def _read(file: Path) -> Problem:
    with np.load(file, allow_pickle=False) as arrays:
        vectors = arrays["vectors"].astype(np.float64)
        centre = vectors.mean(axis=0)
        # Unit vectors of d dimensions get components of size 1: one grid of penalties fits all.
        scale = float(np.sqrt(vectors.shape[1]))
        return Problem(
            rows=(vectors - centre) * scale,
            centre=centre,
            scale=scale,
            targets=arrays["targets"],
            folds=arrays["folds"],
            labels=int(arrays["labels"]),
            grams=ngrams.Grams(arrays["buckets"], arrays["starts"], int(arrays["bucket_count"])),
        )


def _solver(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=penalty, tol=TOLERANCE, max_iter=MOST_ITERATIONS, warm_start=True)


def _fit(problem: Problem, mask: NDArray[np.bool_], solver: LogisticRegression) -> Linear:
    """Fit on the rows of `mask`; an unconverged fit is an error, not a slightly worse head."""
    targets = problem.targets[mask]
    if len(np.unique(targets)) < FEWEST_LABELS:
        raise FitError(
            "Without one fold, the rows left have a single label; give more rows of each label."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            solver.fit(problem.rows[mask], targets)
        except ConvergenceWarning as error:
            raise FitError(
                f"The fit did not converge within {MOST_ITERATIONS} steps (inverse penalty"
                f" {solver.C:g}). Are there rows that repeat thousands of times, or labels that"
                " only their order tells apart?"
            ) from error
    weights, bias = solver.coef_, solver.intercept_
    if len(weights) == 1:
        weights = np.concatenate((-weights, weights)) / 2.0
        bias = np.concatenate((-bias, bias)) / 2.0
    weights = weights * problem.scale
    return Linear(weights, bias - weights @ problem.centre, solver.classes_)


def _full(scores: Float64, present: Integers, labels: int) -> Float64:
    """Give a column to the labels that the other folds did not have."""
    columns = np.repeat(scores.min(axis=1, keepdims=True), labels, axis=1)
    columns[:, present] = scores
    return columns


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
