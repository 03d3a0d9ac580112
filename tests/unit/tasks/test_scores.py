import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.bundle import Calibration, Head, NgramChannel, Pooling
from tidegate.domain.encoding import Encoding
from tidegate.statistics.ngrams import SCHEME, hashed
from tidegate.tasks.scores import fuse, score

DIMENSIONS = 6
TEXT = "cancel my order"


def head(
    labels: int = 3, *, seed: int = 1, pooling: Pooling = "mean", buckets: int | None = None
) -> Head:
    generator = np.random.default_rng(seed)
    channel = None
    if buckets is not None:
        weights = generator.normal(size=(buckets, labels)).astype(np.float32)
        channel = NgramChannel(SCHEME, weights)
    return Head(
        labels=tuple(f"label {i}" for i in range(labels)),
        weights=generator.normal(size=(labels, DIMENSIONS)).astype(np.float32),
        bias=generator.normal(size=labels).astype(np.float32),
        calibration=Calibration(0.8, 0.1),
        ngrams=channel,
        pooling=pooling,
    )


def encoding(windows: int = 1, seed: int = 3) -> Encoding:
    rows = np.random.default_rng(seed).normal(size=(windows, DIMENSIONS)).astype(np.float32)
    vector = rows.mean(axis=0)
    return Encoding(vector, 5, is_truncated=False, windows=rows if windows > 1 else None)


@given(st.lists(st.floats(-50, 50, width=32), min_size=DIMENSIONS, max_size=DIMENSIONS))
def test_scores_are_probabilities(vector: list[float]) -> None:
    given_scores = score(head(), TEXT, Encoding(np.array(vector, np.float32), 5, False))
    assert sum(given_scores) == pytest.approx(1.0, abs=1e-5)
    assert all(0.0 <= one <= 1.0 for one in given_scores)


@pytest.mark.parametrize("windows", [1, 3])
@pytest.mark.parametrize("buckets", [64, 32])
def test_heads_together_say_what_each_says_alone(windows: int, buckets: int) -> None:
    heads = {
        "plain": head(3),
        "best window": head(2, seed=2, pooling="max"),
        "with words": head(4, seed=5, buckets=64),
        "more words": head(4, seed=6, buckets=buckets),
    }
    read = encoding(windows)
    fused = fuse(heads)
    assert (fused.channel is not None) == (buckets == 64), "only those that hash alike"
    together = fused.score(heads, TEXT, read)
    assert list(together) == list(heads)
    for task, one in heads.items():
        assert together[task] == pytest.approx(score(one, TEXT, read), abs=1e-5)


@pytest.mark.parametrize("asked", [["a"], ["a", "c"], ["c", "stranger"], ["a", "b", "stranger"]])
def test_any_choice_of_heads_is_scored_those_outside_the_matrix_too(asked: list[str]) -> None:
    heads = {"a": head(), "b": head(2, seed=2), "c": head(9, seed=4)}
    all_heads = {**heads, "stranger": head(5, seed=7, buckets=64)}
    scored = fuse(heads).score({key: all_heads[key] for key in asked}, TEXT, encoding())
    assert list(scored) == asked
    for key in asked:
        assert scored[key] == pytest.approx(score(all_heads[key], TEXT, encoding()), abs=1e-5)


def test_scoring_changes_neither_vector_nor_head() -> None:
    one, read = head(buckets=64), encoding()
    before = one.weights.copy(), one.bias.copy(), read.vector.copy()
    first = score(one, TEXT, read)
    assert score(one, TEXT, read) == first
    assert all(
        np.array_equal(*pair)
        for pair in zip(before, (one.weights, one.bias, read.vector), strict=True)
    )


def test_a_head_that_takes_the_best_window_sees_what_a_mean_hides() -> None:
    weights = np.array([[4.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], np.float32)
    calm = np.eye(DIMENSIONS, dtype=np.float32)[1]
    loud = np.eye(DIMENSIONS, dtype=np.float32)[0]
    windows = np.stack([calm, calm, calm, loud])
    read = Encoding(windows.mean(axis=0), 900, is_truncated=False, windows=windows)
    bias = np.array([-2.0, 0.0], np.float32)
    mean = Head((True, False), weights, bias, Calibration(1.0, 0.0))
    best = Head((True, False), weights, bias, Calibration(1.0, 0.0), pooling="max")
    assert score(mean, TEXT, read)[0] < 0.5 < score(best, TEXT, read)[0]


def test_words_that_speak_for_a_label_raise_it() -> None:
    weights = np.zeros((64, 2), np.float32)
    weights[hashed(TEXT, 64), 1] = 3.0
    channel = NgramChannel(SCHEME, weights)
    flat = np.zeros((2, DIMENSIONS), np.float32)
    bias = np.zeros(2, np.float32)
    one = Head(("a", "b"), flat, bias, Calibration(1.0, 0.0), ngrams=channel)
    assert score(one, TEXT, encoding())[1] > 0.9
    assert score(one, "", encoding()) == [0.5, 0.5]


def test_no_heads_make_an_empty_matrix() -> None:
    assert fuse({}).weights.shape == (0, 0)
