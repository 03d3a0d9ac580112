"""`tidegate keys` from end to end on a folder of its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.adapters.stores.key_file import KeyFile
from tidegate.cli.keys import app
from tidegate.errors import ConfigError, StateError
from tidegate.policy.keys import authenticate, usable


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def created(state: Path, *more: str) -> str:
    return run("create", "--tenant", "acme", "--state", str(state), *more).strip()


def test_a_created_key_is_printed_alone_and_opens_the_door(tmp_path: Path) -> None:
    key = created(tmp_path)
    snapshot = KeyFile(tmp_path / "keys.json", tmp_path / "pepper").load()
    rows = usable(snapshot.rows, {"acme"})
    identity = authenticate(key, rows, snapshot.pepper, now=2e9)
    assert identity is not None
    assert identity.tenant == "acme"
    assert key not in (tmp_path / "keys.json").read_text()


def test_options_end_up_in_the_row(tmp_path: Path) -> None:
    row = json.loads(
        created(
            tmp_path,
            *("--scope", "chat", "--scope", "debug", "--role", "node"),
            *("--expires", "90d", "--note", "shop", "--json"),
        )
    )
    assert row["key"].startswith("tg-")
    assert row["scopes"] == ["chat", "debug"]
    assert (row["role"], row["note"], row["tenant"]) == ("node", "shop", "acme")
    assert row["expires"] - row["created"] == 90 * 86_400


def test_the_list_shows_rows_and_no_keys(tmp_path: Path) -> None:
    key = created(tmp_path)
    rows = json.loads(run("list", "--state", str(tmp_path), "--json"))
    assert [row["tenant"] for row in rows] == ["acme"]
    assert key not in run("list", "--state", str(tmp_path))
    assert "acme" in run("list", "--state", str(tmp_path))


def test_a_revoked_key_is_listed_as_such(tmp_path: Path) -> None:
    row = json.loads(created(tmp_path, "--json"))
    assert "is revoked" in run("revoke", row["id"], "--state", str(tmp_path))
    listed = json.loads(run("list", "--state", str(tmp_path), "--json"))
    assert listed[0]["revoked"] is not None


def test_mistakes_are_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no scope 'all'"):
        created(tmp_path, "--scope", "all")
    with pytest.raises(ConfigError, match="`--expires`"):
        created(tmp_path, "--expires", "soon")
    with pytest.raises(StateError, match="no key `k-1`"):
        run("revoke", "k-1", "--state", str(tmp_path))
    assert not (tmp_path / "keys.json").exists()


def test_a_key_of_a_tenant_that_has_to_be_named_says_where(tmp_path: Path) -> None:
    at = ("--state", str(tmp_path))
    named = CliRunner().invoke(app, ["create", "--tenant", "acme", *at])
    assert "`tenants`" in named.stderr
    assert "`acme`" in named.stderr
    assert "`tenants`" not in CliRunner().invoke(app, ["create", "--tenant", "default", *at]).stderr


def test_ids_are_whole_in_a_narrow_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = json.loads(created(tmp_path, "--json"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    assert row["id"] in run("list", "--state", str(tmp_path))
