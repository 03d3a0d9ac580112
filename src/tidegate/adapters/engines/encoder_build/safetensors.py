"""Read tensors from safetensors files without trusting them: sizes are compared before any use."""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegate.adapters.encoder_files import PLAIN_FILE
from tidegate.errors import EncoderUnusable

Tensor = NDArray[np.float32]

ONE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
MOST_HEADER = 100_000_000
"""Bytes; the format's own limit."""
_SIZES = {"F32": 4, "F16": 2, "BF16": 2}


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Give the files that hold the weights; refuses a folder that has none that can be read."""
    if (folder / ONE_FILE).is_file():
        return (folder / ONE_FILE,)
    index = folder / INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError, OSError) as error:
            raise EncoderUnusable(f"`{index}` cannot be read as an index of weights") from error
        for name in names:
            if not isinstance(name, str) or not PLAIN_FILE.fullmatch(name):
                raise EncoderUnusable(f"`{index}`: {name!r} is not the name of a file beside it")
        return tuple(folder / name for name in names)
    pickled = next(iter(sorted(folder.glob("pytorch_model*.bin"))), None)
    if pickled is not None:
        raise EncoderUnusable(
            f"`{pickled}` is a pickle, which runs code when it is read; convert it to"
            f" `{ONE_FILE}` where you trust it"
        )
    raise EncoderUnusable(f"`{folder}` has no `{ONE_FILE}`")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Give all tensors of floating point, by name, as float32. Raises EncoderUnusable."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EncoderUnusable(f"cannot read `{path}`: {error.strerror}") from error
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(MOST_HEADER, len(content) - 8):  # noqa: PLR2004 - the header's own length
        raise EncoderUnusable(f"`{path}` is cut, or not a safetensors file")
    try:
        header = json.loads(content[8 : 8 + size])
        entries = [
            (str(name), str(one["dtype"]), tuple(map(int, one["shape"])), *one["data_offsets"])
            for name, one in header.items()
            if name != "__metadata__"
        ]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise EncoderUnusable(f"`{path}` is not a safetensors file") from error
    body = memoryview(content)[8 + size :]
    tensors: dict[str, Tensor] = {}
    for name, kind, shape, start, end in entries:
        if kind not in _SIZES:
            continue
        if not 0 <= start <= end <= len(body) or end - start != _SIZES[kind] * math.prod(shape):
            raise EncoderUnusable(f"`{path}` is cut: tensor `{name}` lies outside of it")
        tensor = _float32(body[start:end], kind).reshape(shape)
        if not np.isfinite(tensor).all():
            raise EncoderUnusable(f"`{path}`: tensor `{name}` holds NaN or infinity")
        tensors[name] = tensor
    return tensors


def _float32(content: memoryview, kind: str) -> Tensor:
    if kind == "F32":
        return np.frombuffer(content, dtype="<f4")
    if kind == "F16":
        return np.frombuffer(content, dtype="<f2").astype(np.float32)
    # bfloat16 is the upper half of float32.
    upper = np.frombuffer(content, dtype="<u2").astype(np.uint32) << 16
    return upper.view(np.float32)
