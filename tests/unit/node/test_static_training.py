"""The static head beside the encoder's: fitted where it pays, left out where it does not."""

import numpy as np

from tidegate.domain.encoding import StaticEncoding
from tidegate.learning.fit import folds
from tidegate.node.static_training import Judged, StaticFit, fit_static
from tidegate.statistics.calibration import Bools

LABELS = ("a", "b", "c")
COUNT = 900


class Words:
    """A table whose vectors point to the label that a text names, with some noise."""

    name, fingerprint, dimensions = "words", "f" * 64, 8

    def __init__(self, *, noise: float) -> None:
        self._noise = noise

    def embed(self, text: str) -> StaticEncoding | None:
        label, number = text.split()
        if label == "long":
            return None
        draw = np.random.default_rng(int(number))
        vector = draw.normal(size=self.dimensions) * self._noise
        vector[LABELS.index(label)] += 1.0
        unit = vector / np.linalg.norm(vector)
        return StaticEncoding(unit.astype(np.float32), 4)


def judged(*, encoder_right: Bools | None = None, long: int = 0) -> Judged:
    texts = [f"{LABELS[i % 3]} {i}" for i in range(COUNT)]
    texts[:long] = [f"long {i}" for i in range(long)]
    targets = np.arange(COUNT, dtype=np.int64) % 3
    right = np.arange(COUNT) % 20 != 0 if encoder_right is None else encoder_right
    return Judged(texts, LABELS, targets, folds(texts), right)


def fitted(rows: Judged, *, noise: float) -> StaticFit:
    return fit_static(rows, Words(noise=noise), lambda _done, _total: None)


def test_a_head_that_is_as_good_answers_first() -> None:
    found = fitted(judged(), noise=0.1)

    assert found.head is not None
    assert found.head.table == "f" * 64
    assert found.head.weights.shape == (3, 8)
    assert found.head.metrics.share > 0.9
    assert found.head.metrics.pair_accuracy >= found.head.metrics.encoder_accuracy - 0.005


def test_a_head_that_costs_too_much_is_left_out_with_the_reason() -> None:
    found = fitted(judged(encoder_right=np.ones(COUNT, dtype=np.bool_)), noise=50.0)

    assert found.head is None
    assert "do not show" in found.reason


def test_texts_without_a_static_vector_are_the_encoders() -> None:
    found = fitted(judged(long=300), noise=0.1)

    assert found.head is not None
    assert 0.6 < found.head.metrics.share < 0.68
    assert found.rows is not None
    assert (found.rows.confidences[:300] == -1.0).all()


def test_a_label_of_long_texts_alone_leaves_all_to_the_encoder() -> None:
    found = fitted(judged(long=COUNT), noise=0.1)

    assert found.head is None
    assert "too long" in found.reason
