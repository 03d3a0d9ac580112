import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tidegate.adapters.fitter import child_process, sklearn_child
from tidegate.adapters.fitter.child_process import NO_GRAMS, fit
from tidegate.errors import FitError, MissingExtra
from tidegate.statistics.calibration import Integers
from tidegate.statistics.linear import Float32
from tidegate.statistics.ngrams import Grams, grams

Problem = tuple[Float32, Integers, Integers]


def clusters(rows: int, labels: int, seed: int = 1) -> Problem:
    """Unit vectors around one direction a label, with folds in turn."""
    generator = np.random.default_rng(seed)
    targets = np.arange(rows) % labels
    vectors = generator.normal(scale=0.3, size=(rows, 16)) + np.eye(16)[targets]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), targets, np.arange(rows) // labels % 5


def test_a_head_is_fitted_in_a_child_and_tells_its_progress() -> None:
    vectors, targets, folds = clusters(120, 3)
    seen: list[tuple[int, int]] = []
    made = fit(vectors, targets, folds, labels=3, report=lambda *step: seen.append(step))
    assert made.weights.shape == (3, 16)
    assert ((vectors @ made.weights.T + made.bias).argmax(axis=1) == targets).mean() > 0.95
    assert (made.scores.argmax(axis=1) == targets).mean() > 0.8
    assert seen[-1][0] == seen[-1][1] == len(seen)


def fitted(
    folder: Path, problem: Problem, labels: int, found: Grams = NO_GRAMS
) -> dict[str, Float32]:
    """Run the child's work in this process, which is quicker."""
    vectors, targets, folds = problem
    file = folder / "problem.npz"
    np.savez(
        file,
        vectors=vectors,
        targets=targets,
        folds=folds,
        labels=np.int64(labels),
        buckets=found.buckets,
        starts=found.starts,
        bucket_count=np.int64(found.count),
    )
    sklearn_child.fit_file(file, folder / "result.npz", lambda _line: None)
    with np.load(folder / "result.npz") as arrays:
        return dict(arrays)


def test_words_that_tell_labels_apart_make_a_channel(tmp_path: Path) -> None:
    vectors, targets, folds = clusters(120, 3)
    # Vectors that say nothing of one label against the other, and a word that does.
    blurred = vectors[np.random.default_rng(2).permutation(len(vectors))]
    texts = [f"the {['red', 'green', 'blue'][target]} one" for target in targets]
    without = fitted(tmp_path, (blurred, targets, folds), 3)
    made = fitted(tmp_path, (blurred, targets, folds), 3, grams(texts, 64))
    assert without["ngrams"].shape == (0, 3)
    assert made["ngrams"].shape == (64, 3)
    assert (without["scores"].argmax(axis=1) == targets).mean() < 0.7
    assert (made["scores"].argmax(axis=1) == targets).mean() > 0.9


def test_words_that_say_nothing_make_none(tmp_path: Path) -> None:
    problem = clusters(120, 3)
    made = fitted(tmp_path, problem, 3, grams(["the same words"] * 120, 64))
    assert made["ngrams"].shape == (0, 3)


def test_the_same_rows_give_the_same_head(tmp_path: Path) -> None:
    first = fitted(tmp_path, clusters(60, 2), 2)
    second = fitted(tmp_path, clusters(60, 2), 2)
    assert np.array_equal(first["weights"], second["weights"])


def test_two_labels_get_a_row_of_weights_each(tmp_path: Path) -> None:
    vectors, targets, folds = clusters(60, 2)
    made = fitted(tmp_path, (vectors, targets, folds), 2)
    assert made["weights"].shape == (2, 16)
    found = (vectors @ made["weights"].T + made["bias"]).argmax(axis=1)
    assert (found == targets).mean() > 0.95


def test_a_label_missing_from_the_other_folds_scores_lowest(tmp_path: Path) -> None:
    vectors, targets, folds = clusters(60, 3)
    folds[targets == 2] = 0
    held = fitted(tmp_path, (vectors, targets, folds), 3)["scores"][folds == 0]
    assert np.array_equal(held[:, 2], held.min(axis=1))


def test_rows_without_variety_are_refused(tmp_path: Path) -> None:
    vectors, targets, folds = clusters(20, 2)
    folds[:] = targets == 0
    with pytest.raises(FitError, match="single label"):
        fitted(tmp_path, (vectors, targets, folds), 2)


def test_a_label_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="Not every label"):
        fitted(tmp_path, clusters(60, 2), 3)


def test_a_fit_that_does_not_converge_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sklearn_child, "MOST_ITERATIONS", 1)
    with pytest.raises(FitError, match="did not converge"):
        fitted(tmp_path, clusters(60, 3), 3)
    assert not (tmp_path / "result.npz").exists()


def test_a_refusal_of_the_child_is_told_in_its_words() -> None:
    with pytest.raises(FitError, match="Not every label"):
        fit(*clusters(60, 2), labels=3, report=lambda *_: None)


def test_vectors_that_are_no_numbers_end_as_a_fit_error() -> None:
    vectors, targets, folds = clusters(60, 3)
    vectors[3, 3] = np.nan
    with pytest.raises(FitError, match="NaN"):
        fit(vectors, targets, folds, labels=3, report=lambda *_: None)


def test_an_interrupt_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[subprocess.Popen[str]] = []

    def interrupted(child: subprocess.Popen[str], _report: object) -> None:
        children.append(child)
        raise KeyboardInterrupt

    monkeypatch.setattr(child_process, "_follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(*clusters(60, 3), labels=3, report=lambda *_: None)
    assert children[0].returncode == -signal.SIGTERM


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"tidegate\[train\]"):
        fit(*clusters(60, 3), labels=3, report=lambda *_: None)


def test_the_parent_does_not_load_scikit_learn() -> None:
    code = (
        "import sys, tidegate.adapters.fitter.child_process;"
        "sys.exit('sklearn' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
