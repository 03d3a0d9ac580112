"""`tidegate bundles build-encoder` as an operator calls it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.encoders import published
from tidegate.cli.app import app
from tidegate.errors import EncoderUnusable

RUNNER = CliRunner()


def build(*arguments: str | Path) -> str:
    called = ["bundles", "build-encoder", *map(str, arguments)]
    done = RUNNER.invoke(app, called, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_folder_is_built_and_its_use_told(tmp_path: Path) -> None:
    said = build(tmp_path / "out", "--from", published(tmp_path / "model"), "--precision", "fp32")

    assert "model, float32, " in said
    assert f"encoder: {{path: {tmp_path / 'out'}}}" in said.replace("\n", "")
    assert (tmp_path / "out" / "model.float32.onnx").exists()


def test_json_is_the_manifest(tmp_path: Path) -> None:
    source = published(tmp_path / "model")

    said = json.loads(
        build(
            *(tmp_path / "out", "--from", source, "--name", "mine", "--prefix", "query : "),
            *("--dimensions", "4", "--dimensions", "8", "--licence", "MIT", "--json"),
        )
    )

    assert (said["name"], said["prefix"], said["licence"]) == ("mine", "query : ", "MIT")
    assert said["allowed_dimensions"] == [4, 8, 16]


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    source = published(tmp_path / "model", config={"model_type": "mpnet"})

    with pytest.raises(EncoderUnusable, match="mpnet"):
        build(tmp_path / "out", "--from", source)
    assert not (tmp_path / "out").exists()
