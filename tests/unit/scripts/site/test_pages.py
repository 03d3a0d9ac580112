"""What the documentation site is built from beside the pages that are kept."""

import json
from pathlib import Path

from scripts.site.pages import cli, decisions, http, unreachable
from tidegate.api.openapi import document

NAV = '[project]\nnav = [{ "Home" = "index.md" }, { "How" = [{ "Deep" = ["a/b.md"] }] }]\n'


def page(docs: Path, name: str, text: str = "# Title\n") -> None:
    file = docs / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_page_outside_of_the_navigation_is_found(tmp_path: Path) -> None:
    for name in ("index.md", "a/b.md", "lost.md", "decisions/0001-x.md"):
        page(tmp_path, name)
    assert unreachable(tmp_path, NAV) == {"lost.md"}


def test_decisions_are_listed_by_their_titles(tmp_path: Path) -> None:
    page(tmp_path, "0002-later.md", "# 0002: Later\n\nText.\n")
    page(tmp_path, "0001-first.md", "# 0001: First\n")
    listed = [line for line in decisions(tmp_path).splitlines() if line.startswith("-")]
    assert listed == ["- [0001: First](0001-first.md)", "- [0002: Later](0002-later.md)"]


def test_every_verb_and_every_path_is_described() -> None:
    described = json.loads(document("1.0"))
    text = http(described)
    for path, methods in described["paths"].items():
        for method in methods.keys() & {"get", "post", "delete"}:
            assert f"### `{method.upper()} {path}`" in text
    assert "## `tidegate config check`" in cli() or "### `tidegate config check`" in cli()
