"""`tidegate doctor` as an operator calls it, without a configuration."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.cli.app import app

RUNNER = CliRunner()


def test_it_works_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    done = RUNNER.invoke(app, ["doctor", "--state", str(tmp_path)])

    assert done.exit_code == 0, done.output
    for word in ("processor", "golden vectors", "open files", "static embeddings"):
        assert word in done.output
    assert list(tmp_path.iterdir()) == []


def test_json_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    done = RUNNER.invoke(app, ["doctor", "--json", "--state", str(tmp_path)])

    said = json.loads(done.stdout)
    assert said["usable"] is True
    assert set(said["encoder"]["milliseconds"]) == {"8", "32", "128"}
    assert said["state"] == str(tmp_path)
