"""The encoder that ships, on this processor."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.adapters.encoder_files import MANIFEST, read_manifest, shipped
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.errors import (
    DeadlineExceeded,
    EncoderMismatch,
    EngineError,
    EngineOverloaded,
    InvalidRequest,
)

TEXT = "Where is my parcel?"
LONG = "The parcel did not arrive on time. " * 100


def build(
    folder: Path | None = None, *, threads: int = 1, queue: int = 256, windows: int = 4
) -> OnnxEncoder:
    return OnnxEncoder(folder or shipped(), OnnxEncoderSettings(threads, queue, windows))


@pytest.fixture(scope="module")
def encoder() -> Iterator[OnnxEncoder]:
    opened = build(threads=2)
    opened.open()
    opened.check()
    yield opened
    opened.close()


@pytest.fixture
def narrow() -> Iterator[OnnxEncoder]:
    opened = build(threads=1, queue=2, windows=1)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped folder whose manifest and files a test may replace."""
    for file in shipped().iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


async def test_a_vector_has_length_one_and_cannot_be_changed(encoder: OnnxEncoder) -> None:
    encoding = await encoder.encode(TEXT)

    assert encoding.vector.shape == (encoder.dimensions,) == (384,)
    assert encoding.vector.dtype == np.float32
    assert np.linalg.norm(encoding.vector) == pytest.approx(1, abs=1e-5)
    assert not encoding.vector.flags.writeable
    assert (encoding.token_count, encoding.is_truncated) == (7, False)


async def test_texts_that_mean_the_same_are_nearer_than_others(encoder: OnnxEncoder) -> None:
    here, near, far = [
        (await encoder.encode(text)).vector
        for text in (TEXT, "My package has not arrived.", "Play some jazz.")
    ]

    assert here @ near > 0.5
    assert here @ far < 0.2


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_vector_is_the_same_alone_and_among_others_in_any_order(
    encoder: OnnxEncoder, texts: list[str], random: Random
) -> None:
    async def all_at_once(batch: list[str]) -> dict[str, bytes]:
        encodings = await asyncio.gather(*(encoder.encode(text) for text in batch))
        return {t: e.vector.tobytes() for t, e in zip(batch, encodings, strict=True)}

    alone = {text: asyncio.run(all_at_once([text]))[text] for text in texts}
    shuffled = random.sample(texts, len(texts))

    assert asyncio.run(all_at_once(shuffled)) == alone


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "😀👩‍👩‍👧",
        "שלום, מה שלומך?",
        "a\x00b",
        "\x00",
        "e\u0301" * 50,
        "\u202e" * 300,
        "中文",
    ],
)
async def test_unusual_texts_get_a_vector_too(encoder: OnnxEncoder, text: str) -> None:
    encoding = await encoder.encode(text)

    assert np.linalg.norm(encoding.vector) == pytest.approx(1, abs=1e-5)
    assert 2 <= encoding.token_count <= encoder.max_tokens * encoder.most_windows


@pytest.mark.parametrize("text", ["a" * 1_000_000, " " * 1_000_000, "€" * 1_000_000, LONG * 2])
async def test_a_text_that_is_too_long_is_cut_and_says_so(encoder: OnnxEncoder, text: str) -> None:
    encoding = await encoder.encode(text)

    assert encoding.is_truncated
    assert encoding.token_count <= encoder.max_tokens * encoder.most_windows


async def test_only_the_part_that_is_read_decides_the_vector(narrow: OnnxEncoder) -> None:
    one = await narrow.encode(LONG + "apples")
    other = await narrow.encode(LONG + "pears")

    assert one.vector.tobytes() == other.vector.tobytes()
    assert (one.token_count, one.window_count) == (narrow.max_tokens, 1)


async def test_a_long_text_is_read_in_windows(encoder: OnnxEncoder) -> None:
    encoding = await encoder.encode(LONG[:2800] + "apples")

    assert encoding.windows is not None
    assert encoding.windows.shape == (3, 384)
    assert not encoding.is_truncated
    assert encoding.token_count == 8 * 80 + 2 + 1
    assert np.linalg.norm(encoding.vector) == pytest.approx(1, abs=1e-5)
    assert not encoding.vector.flags.writeable


async def test_the_first_window_is_the_text_up_to_there_alone(encoder: OnnxEncoder) -> None:
    words = "parcel " * 254
    whole = await encoder.encode(words + "apples and pears")
    alone = await encoder.encode(words)

    assert whole.windows is not None
    assert whole.windows[0].tobytes() == alone.vector.tobytes()


async def test_the_end_of_a_long_text_counts(encoder: OnnxEncoder) -> None:
    one = await encoder.encode(LONG[:2800] + "apples")
    other = await encoder.encode(LONG[:2800] + "pears")

    assert one.vector.tobytes() != other.vector.tobytes()


@pytest.mark.parametrize("text", ["Where is my parcel?", "word " * 600, ""])
async def test_token_states_come_with_their_place_in_the_text(
    encoder: OnnxEncoder, text: str
) -> None:
    encoding = await encoder.encode(text, wants="tokens")
    plain = await encoder.encode(text)

    assert encoding.tokens is not None
    assert plain.tokens is None
    assert encoding.tokens.states.shape == (encoding.token_count - 2, 384)
    words = [text[start:end] for start, end in encoding.tokens.offsets]
    assert "".join(words) == text.replace(" ", "")
    assert encoding.vector.tobytes() == plain.vector.tobytes()


@pytest.mark.parametrize("text", ["\ud800", "hello \udfff world"])
async def test_a_lone_surrogate_is_refused(encoder: OnnxEncoder, text: str) -> None:
    with pytest.raises(InvalidRequest, match="lone surrogate"):
        await encoder.encode(text)


async def test_names_of_control_tokens_are_plain_text(encoder: OnnxEncoder) -> None:
    assert (await encoder.encode("[SEP]")).token_count == 5
    assert (await encoder.encode("[PAD] [MASK]")).token_count > 4


async def test_a_full_queue_refuses_at_once_and_recovers(narrow: OnnxEncoder) -> None:
    results = await asyncio.gather(*(narrow.encode(TEXT) for _ in range(5)), return_exceptions=True)

    refused = [result for result in results if isinstance(result, EngineOverloaded)]
    assert len(refused) == 2
    assert refused[0].queue_limit == 2
    assert (await narrow.encode(TEXT)).token_count == 7


async def test_a_deadline_that_has_passed_is_not_served(narrow: OnnxEncoder) -> None:
    with pytest.raises(DeadlineExceeded, match="the encoder"):
        await narrow.encode(TEXT, deadline=asyncio.get_running_loop().time() - 1)


async def test_a_deadline_that_passes_in_the_queue_is_not_served(encoder: OnnxEncoder) -> None:
    soon = asyncio.get_running_loop().time() + 0.01
    before = [encoder.encode(LONG) for _ in range(6)]

    *_, last = await asyncio.gather(*before, encoder.encode(TEXT, soon), return_exceptions=True)

    assert isinstance(last, DeadlineExceeded)


async def test_a_caller_that_leaves_gives_its_place_back(narrow: OnnxEncoder) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(narrow.encode(LONG)).cancel()

    results = await asyncio.gather(*(narrow.encode(TEXT) for _ in range(3)))

    assert len(results) == 3


def test_building_and_closing_need_no_files(tmp_path: Path) -> None:
    encoder = build(tmp_path / "absent")
    encoder.close()
    encoder.close()


def test_an_encoder_that_is_not_open_says_so() -> None:
    with pytest.raises(EngineError, match="is not open"):
        build().check()


async def test_a_closed_encoder_says_so() -> None:
    encoder = build()
    encoder.open()
    encoder.close()

    with pytest.raises(EngineError, match="is not open"):
        await encoder.encode(TEXT)


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    replace_file(folder / name, content[:-1] + bytes([content[-1] ^ 1]))
    encoder = build(folder)

    with pytest.raises(EncoderMismatch, match="is not the file that"):
        encoder.open()
    encoder.close()


@pytest.mark.parametrize("name", [MANIFEST, "model.int8.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(EncoderMismatch, match=name):
        build(folder).open()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name": "x"}', b"\xff"])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    replace_file(folder / MANIFEST, content)

    with pytest.raises(EncoderMismatch, match="not the manifest of an encoder"):
        build(folder).open()


@pytest.mark.parametrize("off_by", [0.01, -0.01])
def test_other_golden_vectors_are_refused(folder: Path, off_by: float) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["golden"][1]["vector"][5] += off_by
    replace_file(folder / MANIFEST, json.dumps(manifest).encode())
    encoder = build(folder)
    encoder.open()

    with pytest.raises(EncoderMismatch, match="other vectors on this processor"):
        encoder.check()
    encoder.close()


@pytest.mark.parametrize(
    ("field", "value"), [("precision", "float32"), ("max_tokens", 128), ("normalise", False)]
)
def test_the_fingerprint_covers_what_decides_a_vector(
    folder: Path, field: str, value: str | float
) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    replace_file(folder / MANIFEST, json.dumps({**manifest, field: value}).encode())

    assert read_manifest(folder).fingerprint != read_manifest(shipped()).fingerprint


def test_every_file_of_the_shipped_folder_is_listed(encoder: OnnxEncoder) -> None:
    manifest = read_manifest(shipped())
    present = {path.name for path in shipped().iterdir()}

    assert present == {MANIFEST, *manifest.files}
    assert encoder.fingerprint == manifest.fingerprint
    assert encoder.allowed_dimensions == (384,)
    assert encoder.name == "all-minilm-l6-v2"


def test_heavy_libraries_are_imported_when_the_encoder_opens() -> None:
    script = (
        "import sys, tidegate.adapters.engines.onnx_encoder\n"
        "sys.exit(any(name in sys.modules for name in ('onnxruntime', 'tokenizers')))"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_running_leaves_the_arithmetic_of_the_thread_alone(encoder: OnnxEncoder) -> None:
    encoder.check()

    # Zero where denormals are flushed, a mode that a library sets for the whole thread.
    assert np.float32(1e-38) / np.float32(4) > 0
