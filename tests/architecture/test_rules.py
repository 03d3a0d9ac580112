"""Rules of the code that linters do not know."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidegate

SOURCE = Path(tidegate.__file__).parent
ROOT = SOURCE.parent.parent
FILES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

SOURCE_LINES = 500
TEST_LINES = 600

MAY_SAY_ANY = {
    # ASGI's scopes and messages are dictionaries of anything; they become types in this file.
    "api/arrival.py",
    # A description of JSON is JSON.
    "api/openapi_parts.py",
    "api/openapi_schemas.py",
}
READS_THE_ENVIRONMENT = {"config/load.py"}
# The edges that live on after a fault: a request of either listener, a round of background work.
MAY_SWALLOW = {"api/admin.py", "api/app.py", "node/upkeep.py"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Give each module that a file imports, wherever in it, dotted with the imported name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(*roots: str) -> set[str]:
    """Give the files that import one of these packages."""
    return {
        name(path)
        for path in FILES
        if any(one.split(".")[0] in roots or one in roots for one in imports(path))
    }


def users_of(*attributes: str) -> set[str]:
    """Give the files that name an attribute of a module, as in `os.environ`."""
    return {
        name(path)
        for path in FILES
        if any(
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and f"{node.value.id}.{node.attr}" in attributes
            for node in ast.walk(tree(path))
        )
    }


@pytest.mark.parametrize(
    ("files", "limit"), [(FILES, SOURCE_LINES), (TESTS, TEST_LINES)], ids=["source", "tests"]
)
def test_no_file_is_too_long(files: list[Path], limit: int) -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > limit} == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [name(path) for path in FILES if not ast.get_docstring(tree(path))] == []


def test_no_file_has_a_vague_name() -> None:
    assert [name(path) for path in FILES if path.stem in VAGUE] == []


def test_any_is_for_bytes_that_become_types() -> None:
    outside = {file for file in importers("typing.Any") if not file.startswith("wire/")}
    assert outside == MAY_SAY_ANY


def test_one_file_reads_the_environment() -> None:
    readers = users_of("os.environ", "os.environb", "os.getenv", "os.putenv")
    readers |= importers("os.environ", "os.getenv")
    assert readers == READS_THE_ENVIRONMENT


def test_nothing_is_stored_in_a_form_that_runs_code_when_read() -> None:
    assert importers("pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle") == set()


def test_scikit_learn_is_for_the_fitting_child_alone() -> None:
    assert importers("sklearn", "scipy") == {"adapters/fitter/sklearn_child.py"}


def test_what_catches_everything_passes_it_on_but_at_the_edges() -> None:
    swallowing = {
        name(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and ast.unparse(node.body[-1]) != "raise"
    }
    assert swallowing == MAY_SWALLOW


def test_all_errors_stand_in_one_tree() -> None:
    from_builtins = {
        f"{name(path)}: {node.name}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and {ast.unparse(base) for base in node.bases} & {"Exception", "BaseException"}
        and not node.name.startswith("_")
    }
    assert from_builtins == {
        "errors.py: TidegateError",
        # Control flow between the server and a handler: nobody is left to answer.
        "api/arrival.py: ClientLeft",
    }


def test_the_drawing_of_the_error_tree_is_complete() -> None:
    module = tree(SOURCE / "errors.py")
    drawn = (ast.get_docstring(module) or "").split()
    assert [
        node.name
        for node in module.body
        if isinstance(node, ast.ClassDef) and node.name not in drawn
    ] == []


def test_every_ignore_names_a_code() -> None:
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert not line.endswith(("# type: ignore", "# noqa")), f"{name(path)}:{number}"


def test_no_state_of_a_module_changes() -> None:
    changed = [
        f"{name(path)}: {', '.join(node.names)}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Global)
    ]
    assert changed == []
