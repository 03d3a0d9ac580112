from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tests.records import a_record
from tidegate.adapters.record_reader import Follower
from tidegate.adapters.stores.journal_file import JournalFile
from tidegate.adapters.stores.journal_mover import JournalMover
from tidegate.adapters.stores.sqlite_ledger import SqliteLedger
from tidegate.cli.ledger import app
from tidegate.domain.plan import Attempt
from tidegate.domain.question import QuestionTrace
from tidegate.domain.zone import Place
from tidegate.errors import ConfigError, StateError
from tidegate.wire import journal


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory with `r1` in the ledger and `r2` still in the journal."""
    written = JournalFile(tmp_path / "journal")
    written.open()
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    written.append(a_record("r1", time=1_800_000_000.0))
    JournalMover(tmp_path / "journal", ledger).move()
    written.append(a_record("r2", time=1_800_000_001.0, source="local", tier="pop"))
    yield tmp_path
    ledger.close()
    written.close()


def run(*arguments: str, state: Path) -> str:
    result = CliRunner().invoke(
        app,
        [*arguments, "--state", str(state)],
        env={"COLUMNS": "80"},
        catch_exceptions=False,
        standalone_mode=False,
    )
    return result.stdout


def test_tail_shows_the_journals_records_beside_the_ledgers(state: Path) -> None:
    lines = run("tail", "--json", state=state).encode().splitlines()
    assert [journal.decode(line).request_id for line in lines] == ["r1", "r2"]
    shown = run("tail", "-n", "1", state=state)
    assert "r2" in shown
    assert "r1" not in shown


def test_a_pipe_gets_every_word_whole(state: Path) -> None:
    shown = run("tail", state=state)

    for word in ("upstream central openai", "ordered", "100+20", "0.000050"):
        assert word in shown


def test_it_works_without_a_node_ever_having_run(tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        at = {"XDG_STATE_HOME": str(tmp_path / "none")}
        result = CliRunner().invoke(app, arguments, env=at, catch_exceptions=False)
        return result.stdout

    assert told("tail", "--json") == ""
    assert told("sum", "--json") == "[]\n"
    assert not (tmp_path / "none").exists()


def test_looking_changes_nothing(state: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in (state / "journal").iterdir())
    run("tail", state=state)
    run("sum", state=state)
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in (state / "journal").iterdir()
    )


def test_show_gives_phases_attempts_and_questions(tmp_path: Path) -> None:
    written = JournalFile(tmp_path / "journal")
    written.open()
    place = Place("central", "us-east", "us")
    written.append(
        a_record(
            "r9",
            attempts=(
                Attempt("edge", "small", place, "timeout", 0.0, 0.5, detail="no first byte"),
                Attempt("openai", "gpt", place, "ok", 0.5, 0.2, 0.1, status=200),
            ),
            questions=(QuestionTrace("choice", "local", "confident", "t", "t@1", 0.981),),
            model_asked="[red]x\x1b[2J",
            confidence=0.981,
            lossy=("probabilities",),
            windows=5,
            truncated=1,
        )
    )
    shown = run("show", "r9", state=tmp_path)
    for word in ("first byte", "200.00 ms", "timeout no first byte", "ok 200", "0.9810", "t@1"):
        assert word in shown
    assert "windows: 5, texts cut: 1" in shown
    assert r"[red]x\x1b[2J" in shown
    assert journal.decode(run("show", "r9", "--json", state=tmp_path).encode()).request_id == "r9"
    written.close()


def test_show_of_an_unknown_id_is_an_error(state: Path) -> None:
    with pytest.raises(StateError, match="No record `r404`"):
        run("show", "r404", state=state)


@pytest.mark.parametrize(
    ("by", "groups"), [("source", {"local", "upstream"}), ("tenant", {"acme"})]
)
def test_sum_groups_and_counts(state: Path, by: str, groups: set[str]) -> None:
    found = msgspec.json.decode(run("sum", "--by", by, "--json", state=state))
    assert {row["group"] for row in found} == groups
    assert sum(row["requests"] for row in found) == 2
    assert "acme" in run("sum", "--by", "tenant", state=state)


def test_sum_since_counts_only_what_is_newer(tmp_path: Path) -> None:
    written = JournalFile(tmp_path / "journal")
    written.open()
    written.append(a_record("old", time=1.0))
    written.append(a_record("new", time=9e9))
    found = msgspec.json.decode(run("sum", "--since", "1h", "--json", state=tmp_path))
    assert found[0]["requests"] == 1
    written.close()


def test_a_span_that_is_none_is_refused(state: Path) -> None:
    with pytest.raises(ConfigError, match="--since"):
        run("sum", "--since", "soon", state=state)


def test_a_follower_gives_each_record_once_while_it_wanders_into_the_ledger(
    tmp_path: Path,
) -> None:
    written = JournalFile(tmp_path / "journal")
    written.open()
    ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
    follower = Follower(tmp_path / "ledger.sqlite", tmp_path / "journal")
    seen: list[str] = []
    for number in range(4):
        written.append(a_record(f"r{number}", time=float(number)))
        seen += [record.request_id for record in follower.news()]
        JournalMover(tmp_path / "journal", ledger).move()
        seen += [record.request_id for record in follower.news()]
    assert seen == ["r0", "r1", "r2", "r3"]
    ledger.close()
    written.close()


@pytest.mark.parametrize(
    "verb", [("tail",), ("tail", "-f"), ("show", "r1"), ("sum", "--by", "tier")]
)
def test_a_state_directory_that_is_not_there_is_told(tmp_path: Path, verb: tuple[str, ...]) -> None:
    with pytest.raises(StateError, match=r"no state directory .*--state"):
        run(*verb, state=tmp_path / "mistyped")
