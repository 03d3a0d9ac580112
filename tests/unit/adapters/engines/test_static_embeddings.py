"""The static embeddings that ship, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from scripts.encoder.static import LARGEST_BYTES, frequency_weights, reduce
from tidegate.adapters.encoder_files import MANIFEST, shipped
from tidegate.adapters.engines.static_embeddings import MOST_CHARACTERS, StaticEmbeddings
from tidegate.adapters.static_files import read_static_manifest, shipped_static
from tidegate.errors import EncoderMismatch, EncoderUnusable

TOKENIZER = shipped() / "tokenizer.json"
TEXT = "where is my parcel?"


@pytest.fixture(scope="module")
def embeddings() -> StaticEmbeddings:
    return StaticEmbeddings.open(shipped_static(), TOKENIZER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped folder whose files a test may replace."""
    for file in shipped_static().iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_vector_is_the_weighted_sum_of_its_tokens(embeddings: StaticEmbeddings) -> None:
    table = np.load(shipped_static() / "table.int8.npy").astype(np.float64)
    scales = np.load(shipped_static() / "scales.npy").astype(np.float64)
    ids = Tokenizer.from_file(str(TOKENIZER)).encode(TEXT, add_special_tokens=False).ids
    expected = sum(scales[i] * table[i] for i in ids)

    found = embeddings.embed(TEXT)

    assert found is not None
    vector = found.vector
    assert found.token_count == len(ids) + 2
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)
    assert vector.dtype == np.float32
    assert vector.shape == (256,)
    assert not vector.flags.writeable


def test_like_texts_are_near_and_unlike_ones_are_not(embeddings: StaticEmbeddings) -> None:
    one, like, unlike = (
        embeddings.embed(text)
        for text in (TEXT, "my parcel has not come", "what is the weather in lisbon")
    )

    assert one is not None
    assert like is not None
    assert unlike is not None
    assert float(one.vector @ like.vector) > float(one.vector @ unlike.vector) + 0.2


@pytest.mark.parametrize(
    "text", ["", " \n", "x" * (MOST_CHARACTERS + 1), "a" * 1_000_000, "lone \ud800"]
)
def test_what_it_cannot_say_is_left_to_the_encoder(embeddings: StaticEmbeddings, text: str) -> None:
    assert embeddings.embed(text) is None


@pytest.mark.parametrize("text", ["😀😀", "שלום עולם", "日本語", "a" * MOST_CHARACTERS, "[SEP]"])
def test_any_short_text_has_a_vector_of_length_one(embeddings: StaticEmbeddings, text: str) -> None:
    found = embeddings.embed(text)

    assert found is not None
    assert float(np.linalg.norm(found.vector)) == pytest.approx(1, abs=1e-5)


def test_every_file_of_the_shipped_folder_is_listed_and_small(
    embeddings: StaticEmbeddings,
) -> None:
    manifest = read_static_manifest(shipped_static())

    assert {path.name for path in shipped_static().iterdir()} == {MANIFEST, *manifest.files}
    assert sum(path.stat().st_size for path in shipped_static().iterdir()) <= LARGEST_BYTES
    assert (embeddings.fingerprint, embeddings.dimensions) == (manifest.fingerprint, 256)
    assert embeddings.name == "all-minilm-l6-v2-static"


def test_a_changed_table_is_refused(folder: Path) -> None:
    table = (folder / "table.int8.npy").read_bytes()
    (folder / "table.int8.npy").unlink()
    (folder / "table.int8.npy").write_bytes(table[:-1] + bytes([table[-1] ^ 1]))

    with pytest.raises(EncoderMismatch, match="is not the file"):
        StaticEmbeddings.open(folder, TOKENIZER)


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "tokenizer.json"
    other.write_bytes(TOKENIZER.read_bytes() + b" ")

    with pytest.raises(EncoderMismatch, match=r"tokenizer\.json` is not the file"):
        StaticEmbeddings.open(shipped_static(), other)


@pytest.mark.parametrize("name", [MANIFEST, "table.int8.npy", "scales.npy"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(EncoderMismatch, match=name):
        StaticEmbeddings.open(folder, TOKENIZER)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda m: m.update(table="../table.int8.npy"), EncoderUnusable),
        (lambda m: m.update(table="SOURCE.md"), EncoderMismatch),
        (lambda m: m.update(tokens=1), EncoderMismatch),
        (lambda m: m.update(surprise=1), EncoderMismatch),
        (lambda m: m["golden"][0]["vector"].__setitem__(0, 0.5), EncoderMismatch),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    folder: Path, change: Callable[[dict[str, object]], None], error: type[Exception]
) -> None:
    rewrite(folder, change)

    with pytest.raises(error):
        StaticEmbeddings.open(folder, TOKENIZER)


def test_heavy_libraries_are_imported_when_it_opens() -> None:
    script = (
        "import sys, tidegate.adapters.engines.static_embeddings\n"
        "sys.exit('tokenizers' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_components_are_ordered_and_turned_the_same_way() -> None:
    draw = np.random.default_rng(1).normal(size=(600, 300)).astype(np.float32)

    reduced = reduce(draw)

    assert reduced.shape == (600, 256)
    assert (np.diff(reduced.var(axis=0)) <= 1e-3).all()
    np.testing.assert_array_equal(reduced, reduce(draw))


def test_rarer_tokens_weigh_more() -> None:
    weights = frequency_weights(1000)

    assert (np.diff(weights) > 0).all()
    assert 0 < weights[0] < weights[-1] <= 1
