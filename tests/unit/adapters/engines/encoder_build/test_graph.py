"""The graph builder on a tiny random BERT, against the numpy reference."""

from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts.encoder import reference
from tests.encoders import HEADS, HIDDEN, LAYERS, WIDTH, tensors
from tidegate.adapters.encoder_files import Pooling, Precision
from tidegate.adapters.engines.encoder_build import graph
from tidegate.adapters.engines.encoder_build.checkpoint import Bert, Shape, fold
from tidegate.adapters.engines.encoder_build.quantise import (
    BLOCK,
    LARGEST_HIDDEN,
    WIDTH_STEP,
    condition,
    quantise_blocks,
    quantise_columns,
    quantise_rows,
)
from tidegate.adapters.engines.encoder_build.running import Session, channel_maxima
from tidegate.adapters.engines.encoder_build.safetensors import Tensor

SHAPE = Shape(layers=LAYERS, heads=HEADS, max_tokens=12)
SEED = 1
"""Of weights whose outliers some text of `TEXTS` sets off in every layer."""
TEXTS = ([1, 2], [1, 7, 9, 7, 2], list(range(1, 13)))


def conditioned(source: dict[str, Tensor]) -> Bert:
    bert = fold(source, SHAPE)
    return condition(bert, maxima_of(bert))


def maxima_of(bert: Bert) -> dict[str, Tensor]:
    tapped = graph.serialised(graph.build(bert, "float32", taps=True))
    return channel_maxima(tapped, TEXTS, lambda _done: None)


def session(bert: Bert, precision: Precision) -> Session:
    return Session(graph.build(bert, precision).SerializeToString())


@pytest.mark.parametrize("ids", TEXTS)
def test_the_float32_graph_is_the_reference(ids: list[int]) -> None:
    source = tensors()
    states, vector = session(fold(source, SHAPE), "float32").run(ids, ["h", "e"])

    expected, pooled = reference.encode(source, ids, layers=SHAPE.layers, heads=SHAPE.heads)

    np.testing.assert_allclose(states[0], expected, atol=1e-4)
    np.testing.assert_allclose(vector[0], pooled, atol=1e-5)


@pytest.mark.parametrize("outlier", [1.0, 20.0])
def test_conditioning_does_not_change_the_function(outlier: float) -> None:
    source = tensors(outlier=outlier)
    vector = session(conditioned(source), "float32").vector(TEXTS[1])

    _, expected = reference.encode(source, TEXTS[1], layers=SHAPE.layers, heads=SHAPE.heads)

    np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_conditioning_splits_outliers_and_brings_int8_nearer() -> None:
    source = tensors(seed=SEED, outlier=40.0)
    plain, even = fold(source, SHAPE), conditioned(source)
    expected = [
        reference.encode(source, ids, layers=SHAPE.layers, heads=SHAPE.heads)[1] for ids in TEXTS
    ]

    def error(bert: Bert) -> float:
        run = session(bert, "int8")
        return sum(
            float(1 - run.vector(ids) @ one) for ids, one in zip(TEXTS, expected, strict=True)
        )

    assert even.layers[0].up.weight.shape[1] > HIDDEN
    assert even.layers[0].up.weight.shape[1] % WIDTH_STEP == 0
    assert error(even) < error(plain)


def test_split_units_stay_below_the_limit() -> None:
    even = conditioned(tensors(seed=SEED, outlier=40.0))
    maxima = maxima_of(even)

    for index, layer in enumerate(even.layers):
        assert layer.down.gain is not None
        assert (maxima[f"layer.{index}.down.input"] * layer.down.gain).max() <= LARGEST_HIDDEN


def test_the_int8_graph_is_near_the_reference() -> None:
    source = tensors()
    vector = session(conditioned(source), "int8").vector(TEXTS[2])

    _, expected = reference.encode(source, TEXTS[2], layers=SHAPE.layers, heads=SHAPE.heads)

    assert float(vector @ expected) > 0.99


@pytest.mark.parametrize("ids", TEXTS)
def test_the_exact_graph_is_nearly_the_reference(ids: list[int]) -> None:
    source = tensors()
    bert = fold(source, SHAPE)
    _, expected = reference.encode(source, ids, layers=SHAPE.layers, heads=SHAPE.heads)

    exact = session(bert, "exact").vector(ids)

    assert float(exact @ expected) > 0.9995


@pytest.mark.parametrize(("pooling", "ids"), list(product(("mean", "cls"), TEXTS)))
def test_pooling_takes_the_mean_or_the_first_token(pooling: str, ids: list[int]) -> None:
    shape = replace(SHAPE, pooling=cast("Pooling", pooling))
    source = tensors()
    states, _ = reference.encode(source, ids, layers=SHAPE.layers, heads=SHAPE.heads)
    pooled = states[0] if pooling == "cls" else states.mean(axis=0)

    vector = session(fold(source, shape), "float32").vector(ids)

    np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=1e-5)


def test_positions_may_begin_behind_the_padding_token() -> None:
    source = tensors()
    shifted = dict(source)
    table = source["embeddings.position_embeddings.weight"]
    shifted["embeddings.position_embeddings.weight"] = np.concatenate((table[-2:], table[:-2]))
    shape = replace(SHAPE, first_position=2)

    vector = session(fold(shifted, shape), "float32").vector(TEXTS[2])

    np.testing.assert_allclose(
        vector, session(fold(source, SHAPE), "float32").vector(TEXTS[2]), atol=1e-6
    )


def test_names_before_the_encoders_own_do_not_matter() -> None:
    source = tensors()
    named = {f"bert.{name}": tensor for name, tensor in source.items()}

    np.testing.assert_array_equal(
        session(
            fold({**named, "classifier.weight": np.ones((2, 2), np.float32)}, SHAPE), "float32"
        ).vector(TEXTS[1]),
        session(fold(source, SHAPE), "float32").vector(TEXTS[1]),
    )


@given(arrays(np.float32, (40, 3), elements=st.floats(-100, 100, width=16, allow_subnormal=False)))
def test_blocks_of_weights_are_at_most_half_a_step_off(weight: Tensor) -> None:
    blocks, scale = quantise_blocks(weight)

    restored = ((blocks.astype(np.float32) - 128) * scale[:, :, None]).reshape(3, -1)[:, :40].T

    assert blocks.shape == (3, 2, BLOCK)
    steps = np.repeat(scale, BLOCK, axis=1)[:, :40].T
    assert (np.abs(restored - weight) <= steps * 0.501).all()


def test_building_twice_gives_the_same_bytes() -> None:
    first, second = (
        graph.serialised(graph.build(conditioned(tensors()), "int8")) for _ in range(2)
    )

    assert first == second


def test_the_graph_takes_one_text_and_gives_states_and_vector() -> None:
    model = graph.build(fold(tensors(), SHAPE), "int8")

    def dimensions(value: onnx.ValueInfoProto) -> list[int | str]:
        axes = value.type.tensor_type.shape.dim
        return [axis.dim_param or axis.dim_value for axis in axes]

    assert [dimensions(value) for value in model.graph.input] == [[1, "n"]]
    assert [dimensions(value) for value in model.graph.output] == [[1, "n", WIDTH], [1, WIDTH]]


@given(arrays(np.float32, (5, 3), elements=st.floats(-100, 100, width=16, allow_subnormal=False)))
def test_quantised_weights_are_at_most_half_a_step_off(weight: Tensor) -> None:
    columns, column_scale = quantise_columns(weight)
    rows, row_scale = quantise_rows(weight)

    assert (np.abs(columns * column_scale - weight) <= column_scale * 0.501).all()
    assert (np.abs(rows * row_scale[:, None] - weight) <= row_scale[:, None] * 0.501).all()


def test_a_column_of_zeros_stays_zero() -> None:
    weight, scale = quantise_columns(np.zeros((4, 2), np.float32))

    assert not weight.any()
    assert (scale > 0).all()
