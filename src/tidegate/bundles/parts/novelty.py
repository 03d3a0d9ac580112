"""What tells a text unlike anything trained on: where the training rows of each label lie."""

from collections.abc import Mapping

import msgspec

from tidegate.bundles.parts.arrays import frozen, read_array, write_array
from tidegate.domain.bundle import Novelty

FILE = "novelty.npy"
"""Float32, one row a centre, in the encoder's dimensions."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many centres there are."""

    centres: int


def write(novelty: Novelty | None, files: dict[str, bytes]) -> Entry | None:
    """Add the file and give the entry, if there is such a part."""
    if novelty is None:
        return None
    files[FILE] = write_array(novelty.centres)
    return Entry(centres=len(novelty.centres))


def read(
    entry: Entry | None, files: Mapping[str, bytes], *, dimensions: int, where: str
) -> Novelty | None:
    """Check the part and give it; None when the manifest lists none."""
    if entry is None:
        return None
    centres = read_array(files[FILE], (entry.centres, dimensions), file=FILE, where=where)
    return Novelty(frozen(centres))
