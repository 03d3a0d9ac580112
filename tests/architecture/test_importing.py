"""Importing has no effect and costs nothing that is not needed."""

import pkgutil
import sys

import pytest

import tidegate
from tests.architecture.child import did

HEAVY = {"onnxruntime", "aiohttp", "numpy", "uvicorn", "prometheus_client", "tokenizers", "sklearn"}
CHILDREN = {"tidegate.__main__", "tidegate.adapters.fitter.sklearn_child"}
"""Programs of their own: they run when they are imported, or need the extra `train`."""


def modules() -> list[str]:
    found = pkgutil.walk_packages(tidegate.__path__, "tidegate.")
    return sorted({module.name for module in found} - CHILDREN)


def top_level(names: frozenset[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_the_package_exports_its_version_and_nothing_else() -> None:
    assert tidegate.__all__ == ["__version__"]


def test_importing_the_package_loads_the_standard_library_at_most() -> None:
    seen = did("import tidegate")
    before = did("pass")
    assert top_level(seen.modules - before.modules) <= {"tidegate"} | sys.stdlib_module_names


def test_importing_the_package_has_no_effect() -> None:
    seen = did("import tidegate")
    assert (seen.effects, seen.threads) == ([], [])


def test_importing_every_module_has_no_effect() -> None:
    imports = "\n".join(f"import {name}" for name in modules())
    # Third parties may look around when they are imported; they do so before the watch begins.
    parties = "\n".join(f"import {name}" for name in sorted(HEAVY - {"sklearn"}))
    seen = did(
        f"{parties}\nimport onnx, re2, rich, typer, uvloop, yaml\neffects.clear()\n{imports}"
    )
    own = [effect for effect in seen.effects if "site-packages" not in effect]
    assert (own, seen.threads) == ([], [])


def test_no_module_needs_scikit_learn_but_the_fitting_child() -> None:
    seen = did("\n".join(f"import {name}" for name in modules()))
    assert not top_level(seen.modules) & {"sklearn", "scipy", "torch"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import contextlib, io, runpy\n"
        f"sys.argv = ['tidegate', *{arguments!r}]\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    runpy.run_module('tidegate', run_name='__main__')"
    )
    seen = did(code)
    assert "tidegate.cli.app" in seen.modules
    assert not top_level(seen.modules) & HEAVY
    assert "tidegate.node.node" not in seen.modules
