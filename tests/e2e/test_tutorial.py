"""The tutorial, step by step as it stands in docs/tutorial.md, on other ports."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Steps:
    """The blocks of the page, by what they do."""

    configuration: str
    chat: str
    question: str
    training: str
    sums: str


def steps() -> Steps:
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    blocks = BLOCK.findall(text)
    commands = [code for language, code in blocks if language == "sh"]
    (configuration,) = [code for language, code in blocks if language == "yaml"]
    install, mock, start, chat, question, training, sums = commands
    assert "scripts/install" in install
    assert "tidegate mock-upstream --port 9000" in mock
    assert "tidegate keys create --tenant default" in start
    return Steps(configuration, chat, question, training, sums)


async def shell(code: str, folder: Path, **more: str) -> str:
    """Run commands as a reader would, with `tidegate` on the path; gives what they printed."""
    child = await asyncio.create_subprocess_exec(
        "sh",
        "-ec",
        code,
        cwd=folder,
        env=environment(folder) | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        printed, complaint = await child.communicate()
    assert child.returncode == 0, complaint.decode("utf-8", "replace")
    return printed.decode()


def environment(folder: Path) -> dict[str, str]:
    scripts = Path(sys.executable).parent
    return {
        "PATH": f"{scripts}:{os.defpath}",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "src"),
    }


@asynccontextmanager
async def serving(folder: Path, *command: str) -> AsyncIterator[int]:
    """Run a verb in the background; gives the port of the first line that names one."""
    child = await asyncio.create_subprocess_exec(
        "tidegate",
        *command,
        cwd=folder,
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            yield await port_of(child.stdout)
    finally:
        child.terminate()
        await child.communicate()


async def port_of(lines: asyncio.StreamReader) -> int:
    while line := await lines.readline():
        said = msgspec.json.decode(line)
        if "port" in said:
            return int(said["port"])
    raise AssertionError("it ended before it was ready")


async def test_the_tutorial_works_as_printed(tmp_path: Path) -> None:
    step = steps()
    shutil.copytree(ROOT / "examples" / "support", tmp_path / "examples" / "support")
    async with serving(tmp_path, "mock-upstream", "--port", "0", "--json") as mock:
        configuration = step.configuration.replace(":9000/", f":{mock}/")
        (tmp_path / "tidegate.yaml").write_text(configuration.replace("port: 4000", "port: 0"))
        await shell("tidegate config check", tmp_path)
        made = await shell("tidegate keys create --tenant default --json", tmp_path)
        key = str(msgspec.json.decode(made)["key"])
        async with serving(tmp_path, "run") as port:

            async def asked(code: str) -> str:
                return await shell(code.replace(":4000/", f":{port}/"), tmp_path, TIDEGATE_KEY=key)

            assert "x-tidegate-source: upstream" in await asked(step.chat)
            assert "x-tidegate-source: upstream" in await asked(step.question)
            trained = await shell(step.training, tmp_path)
            answered = await asked(step.question)
            sums = await shell(step.sums, tmp_path)
    assert "support" in trained
    assert "x-tidegate-source: local" in answered
    assert "x-tidegate-tier: pop" in answered
    assert '"order_status"' in answered
    assert "local" in sums
    assert "upstream" in sums
