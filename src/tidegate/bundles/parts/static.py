"""A head on static embeddings, with labels in the order of the head on the encoder."""

from collections.abc import Mapping

import msgspec
import numpy as np

from tidegate.bundles.parts import novelty as novelty_part
from tidegate.bundles.parts.arrays import frozen, read_array, write_array
from tidegate.bundles.parts.head import check_calibration
from tidegate.domain.bundle import Calibration, StaticHead, StaticMetrics
from tidegate.errors import BundleError

FILE = "static.npy"
"""Float32, one row a label: the weights, then the bias in the last column."""
NOVELTY_FILE = "static_novelty.npy"
"""As `novelty.npy`, in the dimensions of the table."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The static head, but for its weights."""

    table: str
    calibration: Calibration
    dimensions: int
    threshold: float
    metrics: StaticMetrics
    novelty: novelty_part.Entry | None = None


def write(head: StaticHead | None, files: dict[str, bytes]) -> Entry | None:
    """Add the file and give the entry, if there is such a part."""
    if head is None:
        return None
    files[FILE] = write_array(np.column_stack((head.weights, head.bias)))
    return Entry(
        table=head.table,
        calibration=head.calibration,
        dimensions=head.weights.shape[1],
        threshold=head.threshold,
        metrics=head.metrics,
        novelty=novelty_part.write(head.novelty, files, file=NOVELTY_FILE),
    )


def names(entry: Entry | None) -> list[str]:
    """List the files of the part."""
    if entry is None:
        return []
    return [FILE] if entry.novelty is None else [FILE, NOVELTY_FILE]


def read(
    entry: Entry | None, files: Mapping[str, bytes], *, labels: int, where: str
) -> StaticHead | None:
    """Check the part and give it; None when the manifest lists none."""
    if entry is None:
        return None
    check_calibration(entry.calibration, where)
    if not 0 <= entry.threshold <= 1:
        raise BundleError(f"{where}: the static head's threshold must lie between 0 and 1.")
    shape = (labels, entry.dimensions + 1)
    matrix = read_array(files[FILE], shape, file=FILE, where=where)
    return StaticHead(
        table=entry.table,
        weights=frozen(matrix[:, :-1]),
        bias=frozen(matrix[:, -1]),
        calibration=entry.calibration,
        threshold=entry.threshold,
        metrics=entry.metrics,
        novelty=novelty_part.read(
            entry.novelty,
            files,
            dimensions=entry.dimensions,
            labels=labels,
            where=where,
            file=NOVELTY_FILE,
        ),
    )
