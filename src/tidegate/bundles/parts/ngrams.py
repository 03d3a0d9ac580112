"""The head's weights on hashed n-grams of the text, which are added to its scores."""

from collections.abc import Mapping

import msgspec

from tidegate.bundles.parts.arrays import frozen, read_array, write_array
from tidegate.domain.bundle import NgramChannel, NgramScheme
from tidegate.errors import BundleError

FILE = "ngrams.npy"
"""Float32, one row a bucket, one column a label."""
MOST_BUCKETS = 2**18


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a text becomes buckets."""

    scheme: NgramScheme
    buckets: int


def write(channel: NgramChannel | None, files: dict[str, bytes]) -> Entry | None:
    """Add the file and give the entry, if there is such a part."""
    if channel is None:
        return None
    files[FILE] = write_array(channel.weights)
    return Entry(scheme=channel.scheme, buckets=len(channel.weights))


def read(
    entry: Entry | None, files: Mapping[str, bytes], *, labels: int, where: str
) -> NgramChannel | None:
    """Check the part and give it; None when the manifest lists none."""
    if entry is None:
        return None
    buckets = entry.buckets
    if not 1 < buckets <= MOST_BUCKETS or buckets.bit_count() != 1:
        raise BundleError(f"{where}: buckets of n-grams are a power of two, to {MOST_BUCKETS}.")
    weights = read_array(files[FILE], (buckets, labels), file=FILE, where=where)
    return NgramChannel(entry.scheme, frozen(weights))
