"""A BERT sentence encoder in the form that the graph needs, out of its published tensors.

`fold` moves the gain and offset of every layer normalisation into its neighbours: what is left
between them is a pure normalisation, for which ONNX Runtime has a fast kernel (see graph.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidegate.adapters.encoder_files import Pooling
from tidegate.adapters.engines.encoder_build.safetensors import Tensor
from tidegate.errors import EncoderUnusable


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a BERT encoder."""

    layers: int
    heads: int
    max_tokens: int
    epsilon: float = 1e-12
    """Added to the variance in every normalisation."""
    first_position: int = 0
    """Row of the position table that belongs to the first token."""
    pooling: Pooling = "mean"


@dataclass(frozen=True, slots=True)
class Linear:
    """`y = (x * gain) @ weight + bias`; `gain` is None where it would be all ones."""

    weight: Tensor
    bias: Tensor
    gain: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer on normalised states; `skip_*` scale the residual branches."""

    qkv: Linear
    out: Linear
    up: Linear
    down: Linear
    skip_attention: Tensor
    skip_feed_forward: Tensor


@dataclass(frozen=True, slots=True)
class Bert:
    """A BERT encoder with its normalisations folded; `gain` and `offset` restore the last one."""

    shape: Shape
    words: Tensor
    positions: Tensor
    layers: tuple[Layer, ...]
    gain: Tensor
    offset: Tensor


def fold(tensors: Mapping[str, Tensor], shape: Shape) -> Bert:
    """The encoder as a chain of matrix products and pure normalisations.

    A normalisation gives `g * z + b`. The gain goes into the rows of the next weight, the offset
    into the biases of the next projection and of the next residual sum; only the scaling of the
    residual branch by `g` is left. Raises EncoderUnusable naming a tensor that is missing or does
    not fit.
    """
    tensors = _Named(_without_prefix(tensors))
    gain = tensors["embeddings.LayerNorm.weight"]
    offset = tensors["embeddings.LayerNorm.bias"]
    layers: list[Layer] = []
    for index in range(shape.layers):
        prefix = f"encoder.layer.{index}."
        projections = [_linear(tensors, f"{prefix}attention.self.{x}") for x in _ATTENTION_INPUTS]
        qkv = Linear(
            np.concatenate([p.weight for p in projections], axis=1),
            np.concatenate([p.bias for p in projections]),
        )
        out = _linear(tensors, f"{prefix}attention.output.dense")
        middle_gain = tensors[f"{prefix}attention.output.LayerNorm.weight"]
        middle_offset = tensors[f"{prefix}attention.output.LayerNorm.bias"]
        up = _linear(tensors, f"{prefix}intermediate.dense")
        down = _linear(tensors, f"{prefix}output.dense")
        layers.append(
            Layer(
                qkv=_absorb(qkv, gain, offset),
                out=Linear(out.weight, out.bias + offset),
                up=_absorb(up, middle_gain, middle_offset),
                down=Linear(down.weight, down.bias + middle_offset),
                skip_attention=gain,
                skip_feed_forward=middle_gain,
            )
        )
        gain = tensors[f"{prefix}output.LayerNorm.weight"]
        offset = tensors[f"{prefix}output.LayerNorm.bias"]
    first = shape.first_position
    positions = tensors["embeddings.position_embeddings.weight"][first : first + shape.max_tokens]
    bert = Bert(
        shape=shape,
        words=tensors["embeddings.word_embeddings.weight"],
        positions=positions + tensors["embeddings.token_type_embeddings.weight"][0],
        layers=tuple(layers),
        gain=gain,
        offset=offset,
    )
    _check_shapes(bert)
    return bert


class _Named(dict[str, Tensor]):
    """Tensors by name; a missing one is refused by name."""

    def __missing__(self, name: str) -> Tensor:
        raise EncoderUnusable(
            f"the weights have no tensor `{name}`: is this a model of the BERT family?"
        )


_WORDS = "embeddings.word_embeddings.weight"


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop what a model with a head on it puts before the encoder's names, as in `bert.`."""
    prefix = next((name.removesuffix(_WORDS) for name in tensors if name.endswith(_WORDS)), "")
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _check_shapes(bert: Bert) -> None:
    width = bert.words.shape[-1]
    if width % bert.shape.heads:
        raise EncoderUnusable(
            f"`num_attention_heads` is {bert.shape.heads}, which does not divide the width {width}"
        )
    if len(bert.positions) < bert.shape.max_tokens:
        raise EncoderUnusable(
            f"the position table has {len(bert.positions)} rows for {bert.shape.max_tokens} tokens"
        )
    for index, layer in enumerate(bert.layers):
        hidden = layer.up.weight.shape[-1]
        expected = {
            "attention.self": (layer.qkv.weight, (width, 3 * width)),
            "attention.output": (layer.out.weight, (width, width)),
            "intermediate": (layer.up.weight, (width, hidden)),
            "output": (layer.down.weight, (hidden, width)),
        }
        for name, (weight, shape) in expected.items():
            if weight.shape != shape:
                raise EncoderUnusable(
                    f"`encoder.layer.{index}.{name}` has the shape {weight.shape[::-1]}, expected"
                    f" {shape[::-1]}"
                )


_ATTENTION_INPUTS = ("query", "key", "value")


def _linear(tensors: Mapping[str, Tensor], name: str) -> Linear:
    weight = np.ascontiguousarray(tensors[f"{name}.weight"].T)
    return Linear(weight, tensors[f"{name}.bias"])


def _absorb(linear: Linear, gain: Tensor, offset: Tensor) -> Linear:
    return Linear(linear.weight * gain[:, None], linear.bias + offset @ linear.weight)
