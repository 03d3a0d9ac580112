"""`tidegate guarantee`, with the encoder that ships."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.cli.guarantee import guarantee
from tidegate.cli.tasks import tasks
from tidegate.cli.train import train
from tidegate.errors import ConfigError, FitError

PLACES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Delhi", "Kyoto", "Accra", "Perth")
WEATHER = ("will it rain in {}", "how warm is it in {}", "the forecast for {} please")
MONEY = ("send money to my bank in {}", "the exchange rate in {}", "pay my rent in {}")
CONFIG = """
tasks:
  topic:
    max_error: 0.2
    client_max_errors: [0.1]
    question: {type: choice, instructions: Which, choices: [{value: weather}, {value: money}]}
"""


def _rows(path: Path, suffix: str, days: int) -> Path:
    rows = [
        {"text": f"{text.format(place)} {suffix} {day}", "label": label}
        for label, texts in (("weather", WEATHER), ("money", MONEY))
        for text in texts
        for place in PLACES
        for day in range(days)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    Path("tidegate.yaml").write_text(CONFIG)
    return CliRunner()


def _app() -> Typer:
    app = Typer()
    app.command("train")(train)
    app.command("guarantee")(guarantee)
    app.command("tasks")(tasks)
    return app


def _call(run: CliRunner, *arguments: str) -> Result:
    return run.invoke(_app(), [*arguments, "--state", "state"])


def _state(run: CliRunner) -> tuple[str, str]:
    (found,) = json.loads(_call(run, "tasks", "--json").stdout)
    return found["stage"], found["why"]


def test_a_bundle_is_tested_and_the_verdict_kept(run: CliRunner, tmp_path: Path) -> None:
    fitted = _rows(tmp_path / "fit.jsonl", "on day", 1)
    labels = _rows(tmp_path / "gold.jsonl", "at hour", 5)
    assert _call(run, "train", str(fitted), "--task", "topic").exit_code == 0

    stage, why = _state(run)
    assert (stage, "no guarantee has been granted yet" in why) == ("not served", True)
    done = _call(run, "guarantee", "topic", "--labels", str(labels), "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)["guarantee"]
    # What a node holds its traffic against.
    assert len(said["tails"]["cuts"]) >= 1
    assert said["state"] == "granted"
    assert [level["alpha"] for level in said["levels"]] == [0.1, 0.2]
    assert said["labels"]["kind"] == "gold"

    store = SqliteGuarantees.open_to_read(tmp_path / "state" / "guarantees.sqlite")
    kept, ledger = store.load("topic"), store.ledger("topic")
    store.close()
    assert kept is not None
    assert kept.own.threshold == said["levels"][-1]["threshold"]
    assert (ledger.attempts, ledger.grants_since) == (1, 1)

    assert _state(run) == ("serving", "")
    (shown,) = json.loads(_call(run, "tasks", "--json").stdout)
    assert (shown["max_error"], shown["answers_left"]) == (0.2, 1_000_000)
    assert 29 * 86_400 < shown["expires_in_s"] < 30 * 86_400
    assert "at most 20.00% wrong; expires in 30.0 days" in _call(run, "tasks").stdout

    strict = _call(run, "guarantee", "topic", "--labels", str(labels), "--max-error", "0.001")
    assert strict.exit_code == 3
    assert "more labelled rows" in strict.stdout
    (shown,) = json.loads(_call(run, "tasks", "--json").stdout)
    assert shown["stage"] == "not served"
    assert "tidegate guarantee topic --labels FILE" in shown["why"]

    with pytest.raises(FitError, match="is the file that bundle"):
        run.invoke(
            _app(),
            ["guarantee", "topic", "--labels", str(fitted), "--state", "state"],
            catch_exceptions=False,
        )


def test_an_unknown_task_is_named(run: CliRunner, tmp_path: Path) -> None:
    labels = _rows(tmp_path / "gold.jsonl", "at hour", 1)
    with pytest.raises(ConfigError, match="there is no task `other`"):
        run.invoke(_app(), ["guarantee", "other", "--labels", str(labels)], catch_exceptions=False)
