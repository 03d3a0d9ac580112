"""Arrays as npy, written plainly and read without trusting the file. Never pickle."""

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tidegate.domain.bundle import Float32
from tidegate.errors import BundleError

REMEDY = "restore it from where it was made, or train again: tidegate train FILE.jsonl --task NAME"


def write_array(array: Float32) -> bytes:
    """Give the npy of an array as float32, row after row."""
    buffer = io.BytesIO()
    content = np.ascontiguousarray(array, dtype="<f4")
    npy.write_array(buffer, content, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def read_array(content: bytes, shape: Sequence[int], *, file: str, where: str) -> Float32:
    """Read float32 of exactly this shape, read-only; raises BundleError.

    The header is read by hand: what it promises is compared before any memory is asked for.
    """
    expected = tuple(shape)
    buffer = io.BytesIO(content)
    try:
        npy.read_magic(buffer)
        found, is_fortran, dtype = npy.read_array_header_1_0(buffer)
    except ValueError as error:
        raise BundleError(f"{where}: `{file}` is not an npy file; {REMEDY}") from error
    if found != expected or is_fortran or dtype != np.dtype("<f4"):
        raise BundleError(f"{where}: `{file}` holds {dtype} {found}, expected float32 {expected}.")
    body = memoryview(content)[buffer.tell() :]
    if len(body) != dtype.itemsize * math.prod(expected):
        raise BundleError(f"{where}: `{file}` is cut or too long; {REMEDY}")
    array: Float32 = np.frombuffer(body, dtype=np.float32).reshape(expected)
    if not np.isfinite(array).all():
        raise BundleError(f"{where}: `{file}` holds NaN or infinity; {REMEDY}")
    return array


def frozen(array: NDArray[np.float32]) -> Float32:
    """Give a copy of its own, row after row, that cannot be changed."""
    copy = np.array(array, dtype=np.float32, order="C")
    copy.setflags(write=False)
    return copy
