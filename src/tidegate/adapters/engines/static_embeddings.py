"""Vectors below the encoder: the weighted sum of one stored vector a token, in microseconds.

No model runs, so word order and context are lost; a head on these vectors answers the easy rows.
Short texts only, and so cheap that it runs on the event loop.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from tidegate.adapters.static_files import check_hash, read_static_manifest
from tidegate.domain.encoding import StaticEncoding
from tidegate.errors import EncoderMismatch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MOST_CHARACTERS = 512
"""Longer texts are left to the encoder: this many take about 0.3 ms, a tenth of an encoder pass."""
SPECIAL = 2
"""Tokens that an encoder adds to a text; counted, so that usage does not depend on who answers."""
LARGEST_DEVIATION = 1e-5
"""How far a component of a golden vector may be off: sums of float32 in another order."""


@dataclass(frozen=True, slots=True, eq=False)
class StaticEmbeddings:
    """An opened table on the tokens of one tokenizer; it has nothing to close."""

    name: str
    """The table's own name."""
    fingerprint: str
    """Hash over table and tokenizer; vectors of others never mix."""
    dimensions: int
    """Length of the vector."""
    _tokenizer: "Tokenizer"
    _table: NDArray[np.int8]
    _scales: NDArray[np.float32]

    @classmethod
    def open(cls, folder: Path, tokenizer: Path) -> Self:
        """Map the files of a folder and check its golden vectors; raises EncoderMismatch."""
        manifest = read_static_manifest(folder)
        for name in (manifest.table, manifest.scales):
            check_hash(folder / name, manifest.files[name])
        check_hash(tokenizer, manifest.tokenizer_sha256)
        shape = (manifest.tokens, manifest.dimensions)
        made = cls(
            manifest.name,
            manifest.fingerprint,
            manifest.dimensions,
            _load_tokenizer(tokenizer),
            _map(folder / manifest.table, shape, np.dtype(np.int8)).view(np.int8),
            _map(folder / manifest.scales, shape[:1], np.dtype(np.float32)).view(np.float32),
        )
        for golden in manifest.golden:
            found = made.embed(golden.text)
            expected = np.array(golden.vector, np.float32)
            if found is None or not _agree(found.vector[: len(expected)], expected):
                raise EncoderMismatch(
                    f"`{folder}` gives other vectors here than it promises; install the locked"
                    " version of tokenizers"
                )
        return made

    def embed(self, text: str) -> StaticEncoding | None:
        """Give the vector of a short text, of length 1.

        None where there is nothing to say: a longer text, one without a token, or one that is not
        valid Unicode; the encoder then looks.
        """
        if len(text) > MOST_CHARACTERS:
            return None
        try:
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError:
            return None
        vector = self._sum(ids)
        return None if vector is None else StaticEncoding(vector, len(ids) + SPECIAL)

    def _sum(self, ids: list[int]) -> NDArray[np.float32] | None:
        """v = sum_i s_i t_i / |sum_i s_i t_i|, over the tokens i of the text."""
        if not ids:
            return None
        rows = np.array(ids)
        # `take` costs a third of the same by `[rows]`.
        total = self._scales.take(rows) @ self._table.take(rows, axis=0).astype(np.float32)
        length = float(np.sqrt(total @ total))
        if length == 0.0:
            return None
        vector: NDArray[np.float32] = total * np.float32(1.0 / length)
        vector.flags.writeable = False
        return vector


def _map(path: Path, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Map a file, so that processes share its pages."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EncoderMismatch(f"`{path}` is not an npy file; install it again") from error
    if array.shape != shape or array.dtype != kind:
        raise EncoderMismatch(f"`{path}` holds {array.dtype} {array.shape}, expected {shape}")
    # A plain view: indexing a memmap costs microseconds for its subclass.
    return np.asarray(array)


def _agree(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    # NaN fails the comparison.
    return bool(np.max(np.abs(found - expected)) <= LARGEST_DEVIATION)


def _load_tokenizer(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # `[SEP]` in a text is text, as for the encoder.
    tokenizer.encode_special_tokens = True
    return tokenizer
