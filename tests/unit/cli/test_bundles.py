"""`tidegate bundles` beside a configuration: its encoder, and the version that it would serve."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.encoders import published
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.engines.encoder_build.build import Job, build_encoder
from tidegate.bundles.manifest import renumbered
from tidegate.cli.app import app
from tidegate.errors import BundleError

QUESTION = {"type": "choice", "instructions": "Which", "choices": [{"value": "a"}, {"value": "b"}]}


def said(*arguments: str, state: Path | None = None) -> str:
    """Run one verb on the state directory here; give what it printed."""
    result = CliRunner().invoke(app, [*arguments, "--state", str(state or "state")])
    if result.exception is not None:
        raise result.exception
    return result.output


def two_versions() -> list[str]:
    """Train one version and store it once more under another number; oldest first."""
    texts = {"a": "where is my parcel a", "b": "refund the money b"}
    lines = [
        {"text": f"{text} {'cdefg'[row % 5]} {row}", "label": label}
        for label, text in texts.items()
        for row in range(40)
    ]
    Path("rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    said("train", "rows.jsonl", "--task", "topic", "--json")
    bundles = BundleFolder(Path("state/bundles"))
    version, files = renumbered(bundles.read("topic", bundles.versions("topic")[0]), 2)
    bundles.add("topic", version, files)
    return list(bundles.versions("topic"))


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
    first, second = two_versions()

    assert said("bundles", "verify").count(": good, golden scores off by ") == 2
    shown = said("bundles", "show", "topic")
    assert f"topic@{second}" in said("tasks")
    assert "labels        a, b\n" in shown
    assert "(" not in shown
    assert "zones=local  upstream=not stated" in said("bundles", "show", f"topic@{first}")
    assert second in said("bundles", "pin", f"topic@{second}")
    assert first in said("bundles", "rollback", "topic")
    said("bundles", "pack", f"topic@{first}", "--output", "topic.tar")
    there = tmp_path / "there"
    assert "is added" in said("bundles", "unpack", "topic.tar", state=there)


def test_a_bare_name_is_the_version_that_would_serve_and_the_output_says_why(
    config: dict[str, object],
) -> None:
    first, second = two_versions()

    def meant(verb: str) -> tuple[str, str]:
        found = json.loads(said("bundles", verb, "topic", "--json"))
        one = found[0] if verb == "verify" else found
        return one["version"], one["meant_by"]

    assert meant("show") == (second, "the newest")
    manifest = Path("state/bundles/topic") / second / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{")
    assert meant("show") == (first, f"the newest good one; {second} is not")
    rows = said("bundles", "list").splitlines()
    assert [first in one and "unusable" not in one for one in rows].count(True) == 1
    assert [second in one and "unusable" in one for one in rows].count(True) == 1
    assert f"{second}: manifest.json cannot be read" in rows[-1]
    manifest.write_bytes(whole)

    config["tasks"] = {"topic": {"question": QUESTION, "bundle_version": first}}
    Path("tidegate.yaml").write_text(json.dumps(config))
    assert meant("verify") == (first, "tasks.topic.bundle_version")
    both = {"bundle": "topic", "bundle_version": second}
    config["tasks"] = {"topic": {"bundle_version": first}, "other": both}
    Path("tidegate.yaml").write_text(json.dumps(config))
    with pytest.raises(BundleError, match="several versions"):
        said("bundles", "show", "topic")
