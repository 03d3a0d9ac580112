"""`tidegate labels` and `tidegate tasks --learned` on a state directory without a node."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tests.guarantees import GRANTED
from tests.label_rows import a_label
from tests.records import a_record
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.adapters.stores.state_directory import StatePaths, open_state_directory
from tidegate.cli.app import app
from tidegate.cli.labels_at import pepper_of
from tidegate.domain.guarantee import Infeasible, Level
from tidegate.domain.label import FitMark, Owner
from tidegate.errors import ConfigError
from tidegate.learning.audit import derive, end_user
from tidegate.node.learning import open_labels

OWNER = Owner("support", "acme")


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return open_state_directory(tmp_path / "state")


@pytest.fixture
def labels(paths: StatePaths) -> Iterator[SqliteLabels]:
    with closing(open_labels(paths, pepper_of(paths), 1_000)) as opened:
        yield opened


def run(paths: StatePaths, *arguments: str) -> Any:
    result = CliRunner().invoke(
        app,
        [*arguments, "--state", str(paths.root)],
        catch_exceptions=False,
        env={"COLUMNS": "200"},
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_labels_are_counted(paths: StatePaths, labels: SqliteLabels) -> None:
    labels.add([a_label("1"), a_label("2", role="test"), a_label("3", origin="escalated")])
    (found,) = msgspec.json.decode(run(paths, "labels", "stats", "--json"))
    assert (found["task"], found["tenant"], found["rows"]) == ("support", "acme", 3)
    assert (found["fit"], found["test"]) == (2, 1)
    assert "support" in run(paths, "labels", "stats")


def test_nothing_learned_is_nothing_to_count(paths: StatePaths) -> None:
    assert msgspec.json.decode(run(paths, "labels", "stats", "--json")) == []
    assert msgspec.json.decode(run(paths, "tasks", "--learned", "--json")) == []


def test_a_tenants_labels_are_exported_and_no_other(
    paths: StatePaths, labels: SqliteLabels
) -> None:
    labels.add([a_label("1", text="Where?"), a_label("2", tenant="bravo")])
    (line,) = run(paths, "labels", "export", "--tenant", "acme").splitlines()
    row = msgspec.json.decode(line)
    assert (row["id"], row["label"], row["text"]) == ("1", "refund", "Where?")
    assert "vector" not in row


def test_a_users_labels_are_purged_and_the_bundles_named(
    paths: StatePaths, labels: SqliteLabels
) -> None:
    user = end_user(derive(pepper_of(paths)), "acme", "u-17")
    labels.add([a_label("1", user=user), a_label("2")])
    labels.mark_fitted(FitMark(OWNER, "1-aaaaaaaaaaaa", last_row=2, fitted_at=1.0))

    purge = ("labels", "purge", "--tenant", "acme", "--user", "u-17", "--yes")
    output = run(paths, *purge)

    assert "1 labels are gone." in output
    assert "support.acme` 1-aaaaaaaaaaaa" in output
    assert [row.row_id for row in labels.every("acme")] == ["2"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "--tenant"), (("--user", "u"), "--tenant"), (("--before", "soon"), "2026-11-25")],
)
def test_a_purge_that_says_too_little_is_refused(
    paths: StatePaths, arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        run(paths, "labels", "purge", "--yes", *arguments)


def test_a_serving_task_shows_what_it_saves_and_how_soon_a_change_is_noticed(
    paths: StatePaths, labels: SqliteLabels
) -> None:
    labels.add([a_label("1"), a_label("2", time=1_800_000_100.0)])
    with closing(SqliteGuarantees.open(paths.guarantees)) as guarantees:
        again = "renewed: it is 30.0 days old"
        granted = replace(GRANTED, task=OWNER.key, audit_share=0.02, renewals=2, reason=again)
        guarantees.save(granted)
        guarantees.count(0, {granted.grant: (39_000, 1_000)})
    with closing(SqliteLedger.open(paths.ledger)) as ledger:
        local = a_record(
            "r1",
            surface="decisions",
            source="local",
            task="support",
            cost_micro_usd=0,
            central_cost_micro_usd=70,
        )
        ledger.insert([local], "journal", 1)

    (found,) = msgspec.json.decode(run(paths, "tasks", "--learned", "--json"))

    assert (found["stage"], found["coverage"]) == ("serving", 0.5)
    assert found["disagreement"] == pytest.approx(2 / 400)
    low, high = found["interval"]
    assert low < 2 / 400 < high
    assert found["saved"] == {"calls": 1, "micro_usd": 70}
    assert found["detection_delay_s"] > 0
    assert (found["answers_left"], found["renewals"], found["why"]) == (60_000, 2, "")
    assert "or 60,000 answers; renewed 2 times" in run(paths, "tasks", "--learned")
    assert again in run(paths, "tasks", "--history", OWNER.key)
    assert (found["noise_between"], found["noise"]) == (0.03, 0.015)
    told = " ".join(run(paths, "tasks", "--learned").split())
    assert "disagreement is with `central`, two of whose own answers differ in 3.0%" in told
    assert "one differs from its usual one in about 1.5%" in told


def test_an_infeasible_task_says_what_it_waits_for(paths: StatePaths, labels: SqliteLabels) -> None:
    labels.add([a_label("1")])
    why = Infeasible("too few test rows", 100, 0.5, 800, 7_200.0)
    none = Level(0.02, None, 0, 0, 0.0, 1.0, why)
    with closing(SqliteGuarantees.open(paths.guarantees)) as guarantees:
        guarantees.save(replace(GRANTED, task=OWNER.key, state="none", levels=(none,)))

    (found,) = msgspec.json.decode(run(paths, "tasks", "--learned", "--json"))

    assert found["stage"] == "infeasible"
    assert found["why"] == (
        "too few test rows; about 800 more requests, 2.0 hours at today's traffic"
    )
    assert "none 1-bbbbbbbbbbbb" in run(paths, "tasks", "--history", OWNER.key)
