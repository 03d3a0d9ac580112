"""The head on the encoder's vector: the one part that every bundle has."""

from collections.abc import Mapping

import msgspec
import numpy as np

from tidegate.bundles.parts.arrays import frozen, read_array, write_array
from tidegate.domain.bundle import Calibration, Head, Pooling
from tidegate.errors import BundleError

FILE = "head.npy"
"""Float32, one row a label: the weights, then the bias in the last column."""
FEWEST_LABELS = 2


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The head, but for its weights."""

    labels: tuple[str | bool, ...]
    calibration: Calibration
    dimensions: int
    pooling: Pooling = "mean"


def write(head: Head, files: dict[str, bytes]) -> Entry:
    """Add the file and give the entry; the n-gram channel is a part of its own."""
    files[FILE] = write_array(np.column_stack((head.weights, head.bias)))
    return Entry(labels=head.labels, calibration=head.calibration, dimensions=head.weights.shape[1])


def read(entry: Entry, files: Mapping[str, bytes], *, where: str) -> Head:
    """Check the part and give it, without the n-gram channel."""
    if len(entry.labels) < FEWEST_LABELS or len(set(entry.labels)) != len(entry.labels):
        raise BundleError(f"{where}: a head needs two or more different labels.")
    check_calibration(entry.calibration, where)
    shape = (len(entry.labels), entry.dimensions + 1)
    matrix = read_array(files[FILE], shape, file=FILE, where=where)
    return Head(
        labels=entry.labels,
        weights=frozen(matrix[:, :-1]),
        bias=frozen(matrix[:, -1]),
        calibration=entry.calibration,
        pooling=entry.pooling,
    )


def check_calibration(calibration: Calibration, where: str) -> None:
    """Refuse a calibration that divides by zero or changes the order of rows."""
    # NaN fails the first comparison, infinity the second.
    if not (0 < calibration.temperature < float("inf") and abs(calibration.slope) < 1):
        raise BundleError(f"{where}: the temperature must be above 0, its slope between -1 and 1.")
