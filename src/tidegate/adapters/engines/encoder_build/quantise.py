"""Quantise weights to int8, and prepare a model so that quantised activations lose little.

Activations are quantised at run time with one scale for the whole text, so the few channels that
are far larger than the rest decide how coarse the step is. Two exact rewritings tame them:
inputs of `qkv` and `up` are scaled per channel and the weights by the inverse (SmoothQuant,
arXiv 2211.10438), and hidden units that feed `down` are split into copies that each carry a part
(outlier channel splitting, arXiv 1901.09504).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidegate.adapters.engines.encoder_build.checkpoint import Bert, Layer, Linear
from tidegate.adapters.engines.encoder_build.safetensors import Tensor

# Exponent alpha of SmoothQuant. Of 0.5, 0.75 and 0.9 the middle one came nearest to float32.
SMOOTHING = 0.75
# Largest activation a hidden unit may keep before it is split; smaller limits gained nothing.
LARGEST_HIDDEN = 6.0
# Hidden widths are kept a multiple of this for the matrix kernels.
WIDTH_STEP = 16
# Scales are rounded to powers of this, so that the last bits of a measured maximum, which differ
# between processors, do not change the file.
SCALE_STEP = 2.0**0.25
_LARGEST = 127
BLOCK = 32
"""Weights that share a scale in the precision `exact`."""


def quantise_columns(weight: Tensor) -> tuple[NDArray[np.int8], Tensor]:
    """Symmetric int8 weights [k, n] and the scale of each column [n]."""
    largest = np.abs(weight).max(axis=0)
    scale = (np.where(largest == 0, 1, largest) / _LARGEST).astype(np.float32)
    return np.rint(weight / scale).clip(-_LARGEST, _LARGEST).astype(np.int8), scale


def quantise_rows(weight: Tensor) -> tuple[NDArray[np.int8], Tensor]:
    """Symmetric int8 weights [k, n] and the scale of each row [k]."""
    transposed, scale = quantise_columns(weight.T)
    return np.ascontiguousarray(transposed.T), scale


def quantise_blocks(weight: Tensor) -> tuple[NDArray[np.uint8], Tensor]:
    """Weights [k, n] as MatMulNBits reads them: uint8 around 128 [n, k/32, 32], a scale a block."""
    inner, outer = weight.shape
    blocks = -(-inner // BLOCK)
    padded = np.zeros((outer, blocks * BLOCK), np.float32)
    padded[:, :inner] = weight.T
    grouped = padded.reshape(outer, blocks, BLOCK)
    largest = np.abs(grouped).max(axis=2)
    scale = (np.where(largest == 0, 1, largest) / _LARGEST).astype(np.float32)
    rounded = np.rint(grouped / scale[:, :, None]).clip(-_LARGEST, _LARGEST)
    return (rounded + 128).astype(np.uint8), scale


def condition(bert: Bert, maxima: Mapping[str, Tensor]) -> Bert:
    """The same function with channels of even size.

    `maxima` holds the largest absolute activation per channel, by `layer.I.PROJECTION.input`.
    """
    layers: list[Layer] = []
    for index, layer in enumerate(bert.layers):
        prefix = f"layer.{index}."
        up, down = _split(layer.up, layer.down, maxima[f"{prefix}down.input"])
        layers.append(
            replace(
                layer,
                qkv=_smooth(layer.qkv, maxima[f"{prefix}qkv.input"]),
                up=_smooth(up, maxima[f"{prefix}up.input"]),
                down=down,
            )
        )
    return replace(bert, layers=tuple(layers))


def _smooth(linear: Linear, maxima: Tensor) -> Linear:
    """SmoothQuant: `s_j = max|x_j|^alpha / max|w_j|^(1 - alpha)`, divided by its median."""
    weights = np.abs(linear.weight).max(axis=1)
    floor = np.float32(1e-6)
    scale = np.maximum(maxima, floor) ** SMOOTHING / np.maximum(weights, floor) ** (1 - SMOOTHING)
    scale /= np.median(scale)
    scale = (SCALE_STEP ** np.rint(np.log(scale) / np.log(SCALE_STEP))).astype(np.float32)
    return Linear(linear.weight * scale[:, None], linear.bias, (1 / scale).astype(np.float32))


def _split(up: Linear, down: Linear, maxima: Tensor) -> tuple[Linear, Linear]:
    copies = _copies(maxima)
    if int(copies.max()) == 1:
        return up, down
    units = np.repeat(np.arange(copies.size), copies)
    gain = (1 / copies[units]).astype(np.float32)
    return (
        Linear(up.weight[:, units], up.bias[units]),
        Linear(down.weight[units], down.bias, gain),
    )


def _copies(maxima: Tensor) -> NDArray[np.int64]:
    """How many copies of each hidden unit keep every copy at or below the limit."""
    copies: NDArray[np.int64] = np.maximum(1, np.ceil(maxima / LARGEST_HIDDEN)).astype(np.int64)
    if int(copies.max()) == 1:
        return copies
    for _ in range(-int(copies.sum()) % WIDTH_STEP):
        copies[np.argmax(maxima / copies)] += 1
    return copies
