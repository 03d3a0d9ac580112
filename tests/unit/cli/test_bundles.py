"""`tidegate bundles` beside a configuration: its encoder, and the version that it would serve."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.encoders import published
from tidegate.adapters.engines.encoder_build.build import Job, build_encoder
from tidegate.cli.app import app

QUESTION = {"type": "choice", "instructions": "Which", "choices": [{"value": "a"}, {"value": "b"}]}


def said(*arguments: str, state: Path | None = None) -> str:
    """Run one verb on the state directory here; give what it printed."""
    result = CliRunner().invoke(app, [*arguments, "--state", str(state or "state")])
    if result.exception is not None:
        raise result.exception
    return result.output


def trained(rows: int) -> str:
    """Train one more version; give it."""
    texts = {"a": "where is my parcel a", "b": "refund the money b"}
    lines = [
        {"text": f"{text} {'cdefg'[row % 5]} {row}", "label": label}
        for label, text in texts.items()
        for row in range(rows)
    ]
    Path("rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    said("train", "rows.jsonl", "--task", "topic", "--json")
    return str(json.loads(said("bundles", "list", "--json"))[-1]["version"])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A folder with a configuration on an encoder that does not ship."""
    monkeypatch.chdir(tmp_path)
    job = Job(
        folder=published(tmp_path / "model"),
        out=tmp_path / "mine",
        name="mine",
        precision="int8",
        licence="MIT",
    )
    build_encoder(job, lambda _stage, _done, _total: None)
    content: dict[str, object] = {
        "encoder": {"path": str(tmp_path / "mine")},
        "tasks": {"topic": {"question": QUESTION}},
    }
    Path("tidegate.yaml").write_text(json.dumps(content))
    return content


@pytest.mark.usefixtures("config")
def test_bundles_of_the_configured_encoder_are_verified_pinned_and_unpacked(
    tmp_path: Path,
) -> None:
    first, second = trained(40), trained(50)

    assert said("bundles", "verify").count(": good") == 2
    assert second in said("bundles", "pin", f"topic@{second}")
    assert first in said("bundles", "rollback", "topic")
    said("bundles", "pack", f"topic@{first}", "--output", "topic.tar")
    there = tmp_path / "there"
    assert "is added" in said("bundles", "unpack", "topic.tar", state=there)
