"""What tells a text unlike anything trained on, and the accept score made of it."""

import math
from collections.abc import Mapping

import msgspec
import numpy as np

from tidegate.bundles.parts.arrays import REMEDY, frozen, read_array, write_array
from tidegate.domain.bundle import Acceptance, Novelty
from tidegate.errors import BundleError

FILE = "novelty.npy"
"""Float32: the rows of the form, each with a 0 behind it, then one row a label: slope, offset."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All but the arrays."""

    acceptance: Acceptance


def write(novelty: Novelty | None, files: dict[str, bytes], *, file: str = FILE) -> Entry | None:
    """Add the file and give the entry, if there is such a part."""
    if novelty is None:
        return None
    form = np.column_stack((novelty.form, np.zeros(len(novelty.form))))
    labels = np.column_stack((novelty.slopes, novelty.offsets))
    files[file] = write_array(np.concatenate((form, labels)))
    return Entry(acceptance=novelty.acceptance)


def read(
    entry: Entry | None,
    files: Mapping[str, bytes],
    *,
    dimensions: int,
    labels: int,
    where: str,
    file: str = FILE,
) -> Novelty | None:
    """Check the part and give it; None when the manifest lists none."""
    if entry is None:
        return None
    shape = (dimensions + labels, dimensions + 1)
    rows = read_array(files[file], shape, file=file, where=where)
    terms = entry.acceptance
    if not all(map(math.isfinite, (terms.intercept, terms.confidence, terms.novelty))):
        raise BundleError(f"{where}: `{file}` has an accept score that is not finite; {REMEDY}")
    return Novelty(
        form=frozen(rows[:dimensions, :-1]),
        slopes=frozen(rows[dimensions:, :-1]),
        offsets=frozen(rows[dimensions:, -1]),
        acceptance=terms,
    )
