import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.bundle import NgramChannel
from tidegate.statistics.ngrams import (
    SCHEME,
    Grams,
    chosen,
    contribution,
    contributions,
    grams,
    hashed,
    log_ratios,
)


def test_the_buckets_of_a_text_are_pinned_because_bundles_on_disk_depend_on_them() -> None:
    assert hashed("Cancel my order", 2**13) == [976, 1353, 1394, 2482, 3725, 5016, 7752]


@given(st.text())
def test_any_text_has_buckets_within_their_number_each_once(text: str) -> None:
    found = hashed(text, 64)
    assert found == sorted(set(found))
    assert all(0 <= bucket < 64 for bucket in found)


@pytest.mark.parametrize("text", ["", "  \n", "?!", "😀"])
def test_a_text_without_words_has_none(text: str) -> None:
    assert hashed(text) == []


def test_a_lone_surrogate_does_no_harm() -> None:
    assert hashed("a\ud800b") == hashed("a b")


def test_case_does_not_count_and_order_does() -> None:
    assert hashed("CANCEL Order") == hashed("cancel order")
    assert hashed("order cancel") != hashed("cancel order")


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert hashed("word " * 1000 + "other") == hashed("word " * 1000)


def test_what_tells_labels_apart_speaks_for_its_label() -> None:
    texts = ["cancel it", "cancel now", "where is it", "where now"] * 3
    targets = np.array([0, 0, 1, 1] * 3, np.int64)
    rows = grams(texts, 256)
    weights = log_ratios(rows, targets, 2)
    given_to = contributions(weights, grams(["please cancel", "where", ""], 256))
    assert given_to.argmax(axis=1)[:2].tolist() == [0, 1]
    assert given_to[2].tolist() == [0.0, 0.0]
    assert abs(float(weights[hashed("it", 256)[0]] @ np.array([1, -1]))) < 0.2


def test_known_counts_give_known_ratios() -> None:
    rows = Grams(np.array([0, 0, 1], np.int64), np.array([0, 1, 2, 3], np.int64), 2)
    weights = log_ratios(rows, np.array([0, 0, 1], np.int64), 2)
    first = np.array([2.1 / 2.2, 0.1 / 1.2])
    assert weights[0] == pytest.approx(np.log(first / first.mean()), rel=1e-5)


def test_one_text_scores_as_it_does_among_others() -> None:
    texts = ["cancel my order", "where is my parcel", "", "cancel"]
    rows = grams(texts, 128)
    weights = np.random.default_rng(1).normal(size=(128, 3)).astype(np.float32)
    channel = NgramChannel(SCHEME, weights)
    alone = [contribution(channel, hashed(text, 128)) for text in texts]
    assert contributions(weights, rows) == pytest.approx(np.stack(alone), abs=1e-6)


def test_rows_can_be_chosen() -> None:
    rows = grams(["cancel it", "where", "now then"], 128)
    kept = chosen(rows, np.array([True, False, True]))
    again = grams(["cancel it", "now then"], 128)
    assert kept.buckets.tolist() == again.buckets.tolist()
    assert kept.starts.tolist() == again.starts.tolist()
