"""Encoders other than the shipped one: what the engine runs, and what it refuses by name."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.encoders import WIDTH, WORDS, published, tokenizer
from tidegate.adapters.encoder_files import MANIFEST
from tidegate.adapters.encoder_folder import Described
from tidegate.adapters.engines.encoder_build.build import Job, build_encoder
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.errors import EncoderMismatch, EncoderUnusable, EngineError

TEXT = "where is my parcel"
TABLE = np.random.default_rng(3).normal(size=(len(WORDS), WIDTH)).astype(np.float32)


def built(folder: Path, *, prefix: str = "") -> Path:
    """A folder with our manifest."""
    out = folder / "built"
    source = published(folder / "model")
    job = Job(source, out, "small", "float32", "MIT", prefix=prefix, shorter=(4, 8))
    build_encoder(job, lambda _stage, _done, _total: None)
    return out


def exported(
    folder: Path,
    *,
    pooling: str = "mean",
    extra_input: str = "attention_mask",
    operator: str = "Gather",
    table: NDArray[np.float32] = TABLE,
) -> Path:
    """A folder as exporters write it: the graph only looks vectors up, and pools nothing."""
    published(folder, pooling=pooling)
    (folder / "model.safetensors").unlink()
    ids, other = (
        helper.make_tensor_value_info(name, TensorProto.INT64, [1, "n"])
        for name in ("input_ids", extra_input)
    )
    states = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, "n", WIDTH])
    node = helper.make_node(operator, ["table", "input_ids"], ["last_hidden_state"])
    graph = helper.make_graph(
        [node], "x", [ids, other], [states], [numpy_helper.from_array(table, "table")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


async def vector(
    folder: Path, text: str = TEXT, given: Described | None = None
) -> NDArray[np.float32]:
    encoder = OnnxEncoder(folder, OnnxEncoderSettings(), given or Described())
    try:
        encoder.open()
        encoder.check()
        return (await encoder.encode(text)).vector
    finally:
        encoder.close()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
async def test_an_exported_graph_is_pooled_as_its_folder_says(tmp_path: Path, pooling: str) -> None:
    rows = TABLE[tokenizer().encode(TEXT).ids]
    pooled = rows[0] if pooling == "cls" else rows.mean(axis=0)

    found = await vector(exported(tmp_path / "model", pooling=pooling))

    np.testing.assert_allclose(found, pooled / np.linalg.norm(pooled), atol=1e-6)


async def test_the_operator_names_the_pooling_where_the_folder_does_not(tmp_path: Path) -> None:
    folder = exported(tmp_path / "model")
    expected = await vector(folder)
    (folder / "modules.json").unlink()

    with pytest.raises(EncoderUnusable, match="set `pooling` to `mean` or `cls`"):
        await vector(folder)
    np.testing.assert_array_equal(await vector(folder, given=Described(pooling="mean")), expected)


async def test_a_graph_in_its_own_folder_is_found(tmp_path: Path) -> None:
    folder = exported(tmp_path / "model")
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")

    assert (await vector(folder)).shape == (WIDTH,)


async def test_a_prefix_stands_before_every_text(tmp_path: Path) -> None:
    folder = built(tmp_path)

    found = await vector(folder, TEXT, Described(prefix="query : "))

    np.testing.assert_array_equal(found, await vector(folder, f"query : {TEXT}"))


async def test_a_prefix_that_was_built_in_passes_the_golden_vectors(tmp_path: Path) -> None:
    plain, prefixed = built(tmp_path / "a"), built(tmp_path / "b", prefix="query : ")

    np.testing.assert_array_equal(await vector(prefixed), await vector(plain, f"query : {TEXT}"))


async def test_token_states_leave_the_prefix_out(tmp_path: Path) -> None:
    encoder = OnnxEncoder(built(tmp_path, prefix="query : "), OnnxEncoderSettings())
    encoder.open()
    tokens = (await encoder.encode(TEXT, wants="tokens")).tokens
    encoder.close()

    assert tokens is not None
    assert [TEXT[start:end] for start, end in tokens.offsets] == TEXT.split()
    assert len(tokens.states) == len(tokens.offsets)


@pytest.mark.parametrize(
    "given", [Described(prefix="query : "), Described(pooling="mean", shorter=(2, 4))]
)
def test_what_decides_a_vector_decides_the_fingerprint(tmp_path: Path, given: Described) -> None:
    folder = built(tmp_path)
    plain, changed = (
        OnnxEncoder(folder, OnnxEncoderSettings(), one) for one in (Described(), given)
    )
    plain.open()
    changed.open()

    same = given.prefix is None
    assert (plain.fingerprint == changed.fingerprint) is same
    assert tuple(changed.allowed_dimensions) == ((2, 4, 16) if same else (4, 8, 16))
    plain.close()
    changed.close()


@pytest.mark.parametrize("length", [0, WIDTH + 1, 99])
def test_lengths_beyond_the_vector_are_refused(tmp_path: Path, length: int) -> None:
    given = Described(shorter=(4, length))
    with pytest.raises(EncoderUnusable, match=f"they can be cut to.* not to {length}$"):
        OnnxEncoder(built(tmp_path), OnnxEncoderSettings(), given).open()


async def test_a_folder_without_golden_vectors_says_nothing_of_a_deviation(tmp_path: Path) -> None:
    opened = OnnxEncoder(exported(tmp_path), OnnxEncoderSettings())
    opened.open()
    opened.check()

    assert opened.off_by is None
    opened.close()


def truncate(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-50])


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (truncate, "model.onnx` cannot be run"),
        (drop("model.onnx"), "has no `model.onnx`"),
        (drop("config.json"), "manifest.json"),
        (drop("tokenizer.json"), "tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "is not a tokenizer"),
        (lambda folder: (folder / "model.onnx").write_bytes(b""), "cannot be run"),
    ],
)
async def test_a_spoilt_folder_is_refused_by_the_file(
    tmp_path: Path, spoil: Callable[[Path], None], named: str
) -> None:
    folder = exported(tmp_path / "model")
    spoil(folder)

    with pytest.raises((EncoderUnusable, EncoderMismatch), match=named):
        await vector(folder)


async def test_an_operator_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="Frobnicate"):
        await vector(exported(tmp_path / "model", operator="Frobnicate"))


async def test_an_input_that_nobody_can_give_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="takes `input_ids`, `pixels`"):
        await vector(exported(tmp_path / "model", extra_input="pixels"))


async def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="may hold NaN"):
        await vector(exported(tmp_path / "model", table=np.full_like(TABLE, np.nan)))


async def test_a_token_whose_weights_are_no_numbers_gives_no_vector(tmp_path: Path) -> None:
    table = TABLE.copy()
    table[WORDS.index("refund")] = np.nan
    folder = exported(tmp_path / "model", table=table)

    with pytest.raises(EncoderUnusable, match="may hold NaN"):
        await vector(folder, "my refund")


async def test_a_graph_with_fewer_tokens_than_the_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = exported(tmp_path / "model", table=TABLE[:-1])

    with pytest.raises(EncoderUnusable, match=r"knows \d+ tokens.*from the same model"):
        await vector(folder)


async def test_a_graph_that_fails_while_it_runs_is_an_engines_error(tmp_path: Path) -> None:
    encoder = OnnxEncoder(exported(tmp_path, table=TABLE[:4]), OnnxEncoderSettings())
    encoder.open()

    with pytest.raises(EngineError, match="failed while it ran"):
        await encoder.encode("my refund")
    encoder.close()


async def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="gives 8 components, 16 are expected"):
        await vector(exported(tmp_path / "model", table=TABLE[:, :8].copy()))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("model", "../model.onnx", r"'\.\./model\.onnx' is not the name of a file"),
        ("tokenizer", "/etc/passwd", "'/etc/passwd' is not the name of a file"),
        ("files", {"../x": "0"}, r"'\.\./x' is not the name of a file"),
        ("files", {}, "has no sha256"),
        ("max_tokens", 40, "a window has 40 tokens"),
        ("dimensions", 8, "gives 16 components"),
        ("pooling", "max", "not the manifest of an encoder"),
    ],
)
async def test_a_manifest_that_leads_elsewhere_is_refused(
    tmp_path: Path, field: str, value: object, named: str
) -> None:
    folder = built(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text(
        json.dumps({**manifest, "allowed_dimensions": [8], field: value})
    )

    with pytest.raises((EncoderUnusable, EncoderMismatch), match=named):
        await vector(folder, given=Described(shorter=()))


async def test_another_pooling_than_the_manifests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="pooling is `mean`, not `cls`"):
        await vector(built(tmp_path), given=Described(pooling="cls"))


def test_the_exported_graph_of_these_tests_is_a_valid_one(tmp_path: Path) -> None:
    onnx.checker.check_model(str(exported(tmp_path / "model") / "model.onnx"))
