"""What is unlike anything trained on, and the accept score that knows it."""

import numpy as np
import pytest

from tidegate.domain.bundle import Calibration, Novelty
from tidegate.learning.novelty import Outside, Seen, fit_novelty
from tidegate.statistics.calibration import probabilities
from tidegate.statistics.linear import Float32
from tidegate.statistics.novelty import accept_score, accept_scores, distance, distances

LABELS, DIMENSIONS = 6, 12
CALIBRATION = Calibration(1.0, 0.0)


def _unit(rows: np.ndarray) -> Float32:
    unit: Float32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _centres() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(LABELS, DIMENSIONS))


def _scores(vectors: Float32) -> Float32:
    scores: Float32 = (5.0 * vectors @ _unit(_centres()).T).astype(np.float32)
    return scores


def _seen(per_label: int = 60) -> Seen:
    generator = np.random.default_rng(2)
    targets = np.repeat(np.arange(LABELS), per_label)
    vectors = _unit(_centres()[targets] + generator.normal(size=(len(targets), DIMENSIONS)))
    folds = np.arange(len(targets)) % 5
    return Seen(vectors, targets, folds, _scores(vectors), CALIBRATION)


def _strangers(count: int, seed: int) -> Float32:
    away = np.random.default_rng(9).normal(size=DIMENSIONS)
    return _unit(2 * away + np.random.default_rng(seed).normal(size=(count, DIMENSIONS)))


def _accepted(novelty: Novelty, vectors: Float32) -> np.ndarray:
    scores = _scores(vectors)
    confidence = probabilities(scores, CALIBRATION).max(axis=1).astype(np.float64)
    return accept_scores(novelty, vectors, scores.argmax(axis=1), confidence)


def test_strangers_are_more_novel_than_rows_like_those_seen() -> None:
    seen, strange = _seen(), _strangers(200, 3)
    novelty = fit_novelty(seen, None)
    known = distances(novelty, seen.vectors, seen.scores.argmax(axis=1))
    strange_ones = distances(novelty, strange, _scores(strange).argmax(axis=1))
    assert np.mean(strange_ones[:, None] > known[None, :]) > 0.9


def test_out_of_scope_rows_lower_the_score_of_others_like_them() -> None:
    seen, taught, met = _seen(), _strangers(40, 3), _strangers(200, 4)
    novelty = fit_novelty(seen, Outside(taught, _scores(taught)))
    assert novelty.acceptance.novelty < 0
    assert np.median(_accepted(novelty, met)) < np.median(_accepted(novelty, seen.vectors)) / 2


def test_one_row_scores_as_it_does_among_others() -> None:
    seen = _seen()
    novelty = fit_novelty(seen, None)
    answers = seen.scores.argmax(axis=1)
    confidence = np.full(len(answers), 0.9)
    several = accept_scores(novelty, seen.vectors, answers, confidence)
    one = accept_score(novelty, seen.vectors[7], int(answers[7]), 0.9)
    np.testing.assert_allclose(one, several[7], rtol=1e-4)
    np.testing.assert_allclose(
        distance(novelty, seen.vectors[7], int(answers[7])),
        distances(novelty, seen.vectors, answers)[7],
        rtol=1e-3,
    )


def test_without_a_novelty_the_score_is_the_confidence() -> None:
    vector = _seen().vectors[0]
    assert accept_score(None, vector, 0, 0.83) == 0.83


def test_a_mean_of_few_rows_is_not_kept() -> None:
    seen = _seen()
    kept = np.flatnonzero((seen.targets != 3) | (np.arange(len(seen.targets)) % 60 < 2))
    few = Seen(
        seen.vectors[kept],
        seen.targets[kept],
        seen.folds[kept],
        seen.scores[kept],
        CALIBRATION,
    )
    novelty = fit_novelty(few, None)
    form, overall = novelty.form.astype(np.float64), few.vectors.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(novelty.slopes[3], -form @ overall, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("wrong", [0, 30])
def test_where_rows_teach_nothing_the_accept_score_is_the_confidence(wrong: int) -> None:
    """Two labels and no strangers: all rows are right, or the surest ones are wrong."""
    generator = np.random.default_rng(5)
    targets = np.arange(300) % 2
    leads = generator.uniform(4.0, 12.0, 300)
    scores = np.stack((np.where(targets == 0, leads, 0), np.where(targets == 1, leads, 0)), axis=1)
    surest = np.argsort(leads)[300 - wrong :]
    labelled = targets.copy()
    labelled[surest] = 1 - targets[surest]
    vectors = _unit(generator.normal(size=(300, DIMENSIONS)))
    folds = np.arange(300) // 60
    seen = Seen(vectors, labelled, folds, scores.astype(np.float32), CALIBRATION)

    novelty = fit_novelty(seen, None)

    scored = [accept_score(novelty, vectors[0], 0, one) for one in (0.55, 0.999)]
    np.testing.assert_allclose(scored, [0.55, 0.999])


def test_equal_rows_and_sure_heads_give_finite_values() -> None:
    vectors = _unit(np.ones((20, DIMENSIONS)))
    targets = np.arange(20) % 2
    scores = np.where(np.eye(2, dtype=bool)[targets], 60.0, -60.0).astype(np.float32)
    novelty = fit_novelty(Seen(vectors, targets, np.arange(20) % 5, scores, CALIBRATION), None)
    assert np.isfinite(novelty.form).all()
    assert np.isfinite(
        [novelty.acceptance.intercept, novelty.acceptance.confidence, novelty.acceptance.novelty]
    ).all()
