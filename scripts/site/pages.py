"""Makes the folder that the documentation site is built from: `docs/` and what is generated.

    python scripts/site/pages.py FOLDER

The reference of the command line comes from the verbs themselves, that of HTTP from the document
that a node serves as `/openapi.json`, the list of decisions from their titles. None of them is kept
in the repository, so none can be stale.
"""

import json
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from tidegate import __version__
from tidegate.api.openapi import document
from tidegate.cli.app import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = frozenset({"cli.md", "http.md", "decisions/index.md"})
METHODS = ("get", "post", "delete")
Operation = Mapping[str, Any]


def main(folder: Path) -> None:
    """Fill the folder anew; ends with a message when a page has no place in the navigation."""
    lost = sorted(unreachable(DOCS, (ROOT / "zensical.toml").read_text("utf-8")))
    if lost:
        sys.exit(f"docs: give these pages a place in `nav` of zensical.toml: {', '.join(lost)}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, folder)
    (folder / "decisions" / "index.md").write_text(decisions(DOCS / "decisions"), encoding="utf-8")
    (folder / "cli.md").write_text(cli(), encoding="utf-8")
    (folder / "http.md").write_text(http(json.loads(document(__version__))), encoding="utf-8")


def unreachable(docs: Path, configuration: str) -> set[str]:
    """Give the pages that the navigation does not name; decisions are listed on a page."""
    named = set(_pages(tomllib.loads(configuration)["project"]["nav"])) | GENERATED
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    return {page for page in pages - named if not page.startswith("decisions/")}


def decisions(folder: Path) -> str:
    """List the decision records, newest last."""
    lines = ["# Decisions", "", "What was decided against an earlier plan, and why.", ""]
    for page in sorted(folder.glob("[0-9]*.md")):
        title = page.read_text("utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}]({page.name})")
    return "\n".join([*lines, ""])


def cli() -> str:
    """Describe every verb, its arguments and options."""
    command = get_command(app)
    context = typer.Context(command, info_name="tidegate")
    text = get_docs_for_click(obj=command, ctx=context, name="tidegate", title="Command line")
    return f"{text.strip()}\n"


def http(described: Mapping[str, Any]) -> str:
    """Describe every path of both listeners, by tag, with the fields that each takes and gives."""
    lines = ["# HTTP", "", described["info"]["description"], ""]
    lines += [
        "A node serves this as `GET /openapi.json` on its admin listener, with every schema.",
        "",
    ]
    schemas = described["components"]["schemas"]
    for tag in described["tags"]:
        lines += [f"## {tag['name'].capitalize()}", "", tag["description"], ""]
        for path, methods in described["paths"].items():
            for method in METHODS:
                if tag["name"] in methods.get(method, {}).get("tags", ()):
                    lines += _operation(method, path, methods[method], schemas)
    return "\n".join(lines).rstrip() + "\n"


def _pages(entry: str | Mapping[str, Any] | list[Any]) -> Iterator[str]:
    """Walk through a navigation: pages, titles with pages, lists of either."""
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry if isinstance(entry, list) else entry.values():
            yield from _pages(part)


def _operation(
    method: str, path: str, operation: Operation, schemas: Mapping[str, Any]
) -> Iterator[str]:
    yield from (f"### `{method.upper()} {path}`", "", f"{operation['summary']}.", "")
    if "description" in operation:
        yield from (operation["description"], "")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield from ("Takes:", "", *_fields(body["schema"], schemas), "")
    for status, answer in operation["responses"].items():
        kinds = ", ".join(f"`{kind}`" for kind in answer.get("content", {}))
        said = answer.get("description", "")
        yield f"- **{status}** {said}{f' ({kinds})' if kinds else ''}"
    yield ""


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    known = _resolved(schema, schemas)
    yield from ("| field | type | |", "|---|---|---|")
    required = known.get("required", ())
    for name, field in known.get("properties", {}).items():
        need = " **required**" if name in required else ""
        about = field.get("description", "").replace("|", "\\|")
        yield f"| `{name}` | {_kind(field)}{need} | {about} |"


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return schemas[name] if name else schema


def _kind(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(one) for one in field["anyOf"]))
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    kind = field.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(field.get('items', {}))}"
    return ", ".join(kind) if isinstance(kind, list) else str(kind)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
