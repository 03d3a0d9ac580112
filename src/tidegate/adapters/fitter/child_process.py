"""Starts the fitting child, follows its progress, and ends it on every path."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.errors import FitError, MissingExtra
from tidegate.statistics.calibration import Integers
from tidegate.statistics.linear import Float32
from tidegate.statistics.ngrams import Grams

CHILD = "tidegate.adapters.fitter.sklearn_child"
MOST_COMPLAINT = 2000
GRACE_S = 2.0
NO_GRAMS = Grams(np.zeros(0, np.int64), np.zeros(1, np.int64), 0)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A head before its calibration."""

    weights: Float32
    bias: Float32
    ngrams: Float32 | None
    """Weights of the n-gram channel, one row a bucket; None when it was not wanted or no help."""
    scores: Float32
    """Of each training row, by a head (and channel) that had not seen its fold."""
    penalty: float
    """The inverse strength of the penalty that the folds chose."""


def fit(
    vectors: Float32,
    targets: Integers,
    folds: Integers,
    *,
    labels: int,
    report: Callable[[int, int], None],
    grams: Grams | None = None,
) -> Fitted:
    """Fit in a child process; `report` gets fits done and expected. Raises FitError, MissingExtra.

    With `grams`, the n-grams of the rows, the head gets such a channel where that helps. An
    interrupt in this process ends the child.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra("scikit-learn", "train")
    with tempfile.TemporaryDirectory(prefix="tidegate-fit-") as folder:
        problem, result = Path(folder, "problem.npz"), Path(folder, "result.npz")
        complaint = Path(folder, "stderr")
        found = grams or NO_GRAMS
        np.savez(
            problem,
            vectors=vectors,
            targets=targets,
            folds=folds,
            labels=np.int64(labels),
            buckets=found.buckets,
            starts=found.starts,
            bucket_count=np.int64(found.count),
        )
        with complaint.open("wb") as stderr:
            # Only this interpreter and paths made here reach the command line.
            child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", CHILD, str(problem), str(result)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        try:
            error = _follow(child, report)
            code = child.wait()
        finally:
            _end(child)
        if code != 0:
            said = complaint.read_text("utf-8", "replace")[-MOST_COMPLAINT:]
            raise FitError(error or f"The fitting process ended with code {code}.\n{said}")
        return _read(result)


def _follow(child: subprocess.Popen[str], report: Callable[[int, int], None]) -> str | None:
    """Read progress until the child ends its output; give the reason of a refusal."""
    error: str | None = None
    if child.stdout is None:
        return None
    for line in child.stdout:
        said = json.loads(line)
        if "error" in said:
            error = str(said["error"])
        else:
            report(int(said["done"]), int(said["total"]))
    return error


def _end(child: subprocess.Popen[str]) -> None:
    if child.stdout is not None:
        child.stdout.close()
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _read(file: Path) -> Fitted:
    with np.load(file, allow_pickle=False) as arrays:
        return Fitted(
            weights=arrays["weights"],
            bias=arrays["bias"],
            ngrams=arrays["ngrams"] if len(arrays["ngrams"]) else None,
            scores=arrays["scores"],
            penalty=float(arrays["penalty"]),
        )
