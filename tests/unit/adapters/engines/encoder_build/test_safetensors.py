"""Weights are read without trusting the file that holds them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.encoders import safetensors
from tidegate.adapters.engines.encoder_build.safetensors import read_safetensors, weight_files
from tidegate.errors import EncoderUnusable

VALUE = np.arange(6, dtype="<f4").reshape(2, 3)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return path


def test_tensors_are_read_by_name_and_whole_numbers_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, safetensors({"ids": np.zeros(1, np.int64), "w": VALUE}))

    found = read_safetensors(path)

    assert list(found) == ["w"]
    np.testing.assert_array_equal(found["w"], VALUE)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    upper = (VALUE.view(np.uint32) >> 16).astype(np.uint16)
    content = safetensors({"half": VALUE.astype(np.float16), "brain": upper})

    found = read_safetensors(written(tmp_path, content))

    for name in ("half", "brain"):
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], VALUE)


@pytest.mark.parametrize("keep", [0, 7, 20, -1])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = written(tmp_path, safetensors({"w": VALUE})[:keep])

    with pytest.raises(EncoderUnusable, match=r"cut|not a safetensors file"):
        read_safetensors(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, bad: float) -> None:
    path = written(tmp_path, safetensors({"w": np.array([1, bad], np.float32)}))

    with pytest.raises(EncoderUnusable, match="tensor `w` holds NaN or infinity"):
        read_safetensors(path)


@pytest.mark.parametrize("header", [b"[]", b"{", b'{"w": 1}', b'{"w": {"dtype": "F32"}}'])
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: bytes) -> None:
    path = written(tmp_path, len(header).to_bytes(8, "little") + header)

    with pytest.raises(EncoderUnusable, match="not a safetensors file"):
        read_safetensors(path)


def test_offsets_outside_of_the_file_are_refused(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}).encode()
    path = written(tmp_path, len(header).to_bytes(8, "little") + header)

    with pytest.raises(EncoderUnusable, match="`w` lies outside"):
        read_safetensors(path)


def test_weights_in_several_files_are_found(tmp_path: Path) -> None:
    names = {"a": "model-2.safetensors", "b": "model-1.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))

    assert [path.name for path in weight_files(tmp_path)] == sorted(names.values())


def test_an_index_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))

    with pytest.raises(EncoderUnusable, match="not the name of a file beside it"):
        weight_files(tmp_path)


def test_pickled_weights_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")

    with pytest.raises(EncoderUnusable, match=r"pytorch_model\.bin` is a pickle"):
        weight_files(tmp_path)
