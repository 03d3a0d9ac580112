"""`tidegate train` and `tidegate tasks`, with the encoder that ships."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.fingerprint import fingerprint
from tidegate.bundles.manifest import unpack
from tidegate.cli.tasks import tasks
from tidegate.cli.train import train
from tidegate.domain.question import Option, Question
from tidegate.errors import BundleError, ConfigError, FitError

CARDS = [
    "My card was swallowed by the machine",
    "The plastic card is bent and does not work",
    "I lost my debit card on the train",
    "Please send me a new credit card",
    "How do I block a stolen card?",
    "The chip of my card is broken",
    "When does my replacement card arrive?",
    "My card was declined in the supermarket",
]
WEATHER = [
    "Will it rain in Porto tomorrow?",
    "How warm is it outside?",
    "Is a storm coming tonight?",
    "Do I need an umbrella today?",
    "What is the forecast for the weekend?",
    "How strong is the wind at the coast?",
    "Is there snow in the mountains?",
    "When does the sun set?",
]
QUESTION = {
    "type": "choice",
    "instructions": "What is it about?",
    "choices": [{"value": "cards"}, {"value": "weather"}],
}
ROWS = [{"text": text, "label": "cards"} for text in CARDS] + [
    {"text": text, "label": "weather"} for text in WEATHER
]


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command("train")(train)
    app.command("tasks")(tasks)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def written(file: Path, rows: Sequence[object]) -> str:
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return str(file)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_task_is_trained_listed_and_served(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", ROWS)
    settings = {"question": QUESTION, "threshold": 0.5, "unguaranteed": True}
    written(tmp_path / "tidegate.yaml", [{"tasks": {"topic": settings}}])
    before = json.loads(run("tasks", "--state", "state", "--json").stdout)
    assert [(one["task"], one["stage"]) for one in before] == [("topic", "no bundle")]

    done = json.loads(run("train", file, "--task", "topic", "--state", "state", "--json").stdout)
    assert done["metrics"]["rows"] == 16
    assert done["metrics"]["accuracy"] > 0.8
    asked = Question("choice", None, "What is it about?", (Option("weather"), Option("cards")))
    assert done["question"] == fingerprint(asked)

    bundles = BundleFolder(tmp_path / "state" / "bundles")
    (version,) = bundles.versions("topic")
    assert version == done["version"]
    bundle = unpack(bundles.read("topic", version), name="topic", version=version)
    assert len(bundle.golden) == 4

    (after,) = json.loads(run("tasks", "--state", "state", "--json").stdout)
    assert after["stage"] == "serving unguaranteed"
    assert (after["labels"], after["rows"], after["threshold"]) == (2, 16, 0.5)
    assert after["off_by"] < 1e-5
    assert "topic@1-" in run("tasks", "--state", "state").stdout


def test_without_a_question_the_report_says_what_is_covered(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", [*ROWS, {"text": CARDS[0], "label": "weather"}])
    said = run("train", file, "--task", "topic", "--state", "state").stdout
    assert "measured on these rows, not guaranteed" in said
    assert "1 texts occur with more than one label" in said
    assert "No question was given" in said
    assert "accept_names" in said
    (listed,) = json.loads(run("tasks", "--state", "state", "--json").stdout)
    assert (listed["stage"], listed["is_configured"]) == ("not served", False)


def test_a_question_file_is_checked_like_the_configuration(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", ROWS)
    wrong = {**QUESTION, "choices": [{"value": "cards"}, {"value": "cards"}]}
    question = written(tmp_path / "question.json", [wrong])
    with pytest.raises(ConfigError, match="stands twice"):
        run("train", file, "--task", "topic", "--question", question, "--state", "state")
    written(tmp_path / "question.json", [{**QUESTION, "choises": []}])
    with pytest.raises(ConfigError, match="did you mean `choices`"):
        run("train", file, "--task", "topic", "--question", question, "--state", "state")


def test_labels_that_do_not_fit_the_question_are_refused(tmp_path: Path) -> None:
    file = written(
        tmp_path / "rows.jsonl", [{**row, "label": str(row["label"]).upper()} for row in ROWS]
    )
    question = written(tmp_path / "question.json", [QUESTION])
    with pytest.raises(FitError, match='"CARDS", "WEATHER"'):
        run("train", file, "--task", "topic", "--question", question, "--state", "state")
    assert BundleFolder(tmp_path / "state" / "bundles").names() == ()


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FitError, match=r"nothing\.jsonl cannot be read: No such file"):
        run("train", "nothing.jsonl", "--task", "topic", "--state", "state")


def test_a_task_name_that_leaves_the_state_directory_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(BundleError, match="cannot name a bundle"):
        run("train", file, "--task", "../topic", "--state", "state")


def test_a_damaged_bundle_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    bundles = BundleFolder(tmp_path / "state" / "bundles")
    bundles.write("topic", "1-0123456789ab", {"manifest.json": b"{}"})
    (listed,) = json.loads(run("tasks", "--state", "state", "--json").stdout)
    assert listed["stage"] == "unusable"
    assert "cannot be read" in listed["why"]
