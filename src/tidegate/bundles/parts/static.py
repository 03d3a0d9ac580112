"""A head on static embeddings, with labels in the order of the head on the encoder."""

from collections.abc import Mapping

import msgspec
import numpy as np

from tidegate.bundles.parts.arrays import frozen, read_array, write_array
from tidegate.bundles.parts.head import check_calibration
from tidegate.domain.bundle import Calibration, StaticHead

FILE = "static.npy"
"""Float32, one row a label: the weights, then the bias in the last column."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The static head, but for its weights."""

    table: str
    calibration: Calibration
    dimensions: int


def write(head: StaticHead | None, files: dict[str, bytes]) -> Entry | None:
    """Add the file and give the entry, if there is such a part."""
    if head is None:
        return None
    files[FILE] = write_array(np.column_stack((head.weights, head.bias)))
    return Entry(table=head.table, calibration=head.calibration, dimensions=head.weights.shape[1])


def read(
    entry: Entry | None, files: Mapping[str, bytes], *, labels: int, where: str
) -> StaticHead | None:
    """Check the part and give it; None when the manifest lists none."""
    if entry is None:
        return None
    check_calibration(entry.calibration, where)
    shape = (labels, entry.dimensions + 1)
    matrix = read_array(files[FILE], shape, file=FILE, where=where)
    return StaticHead(
        table=entry.table,
        weights=frozen(matrix[:, :-1]),
        bias=frozen(matrix[:, -1]),
        calibration=entry.calibration,
    )
