"""Every program of docs/clients, run as it stands there against a real node and a mock upstream."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.pages import PAGES, missing, programs, run
from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tidegate.mock.server import running_mock
from tidegate.mock.settings import Settings

OPENAI = "This is the Tidegate mock upstream"
CLAUDE = r"\[mock\] This is the Tidegate mock upstream"
NUMBERS = "numbers: 384"
EXPECTED: dict[str, list[list[str]]] = {
    "curl": [[OPENAI], [r"data: \[DONE\]"], [CLAUDE]],
    "openai-python": [[OPENAI, OPENAI], [NUMBERS, OPENAI, r"urgent: 0\.\d"]],
    "openai-node": [[OPENAI, OPENAI], ["calls: weather", NUMBERS, OPENAI]],
    "anthropic-python": [[CLAUDE, CLAUDE, r"tokens: \d"]],
    "anthropic-node": [[CLAUDE, CLAUDE, "ended: end_turn"]],
    "vercel-ai-sdk": [[OPENAI], ["object: isUrgent, title", "calls: weather"], [CLAUDE]],
    "langchain": [[OPENAI, OPENAI, "object: Ticket", NUMBERS], [CLAUDE]],
    "llamaindex": [[OPENAI, OPENAI, NUMBERS]],
    "litellm": [[OPENAI, OPENAI, CLAUDE]],
    "claude-code": [],
    "index": [],
}
"""What each program of a page must print, in this order."""
CASES = [(page, number) for page, blocks in EXPECTED.items() for number in range(len(blocks))]


def config(openai: str, anthropic: str) -> Config:
    return {
        "upstreams": [
            upstream("openai", openai),
            upstream("anthropic", anthropic, kind="anthropic"),
        ],
        "routes": [
            {"models": ["gpt-6-luna"], "upstreams": ["openai"]},
            {"models": ["claude-opus-5"], "upstreams": ["anthropic"]},
        ],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with (
        running_mock(Settings(latency_ms=0.0)) as mock,
        running_gateway(config(mock.url, mock.url)) as gateway,
    ):
        yield gateway


def test_every_page_and_every_program_on_it_is_run() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == EXPECTED.keys()
    for page, blocks in EXPECTED.items():
        assert len(programs(page)) == len(blocks), page


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("page", "number"), CASES)
async def test_a_program_works_as_printed(
    gateway: Gateway, page: str, number: int, tmp_path: Path
) -> None:
    program = programs(page)[number]
    if (why := missing(program)) is not None:
        pytest.skip(f"{page}: {why}")
    before = len(gateway.log.records)

    printed = await run(program, gateway.base_url, gateway.key, tmp_path)

    assert re.search(".*".join(EXPECTED[page][number]), printed, re.DOTALL), printed
    answered = list(gateway.log.records)[before:]
    assert answered
    assert {record.status for record in answered} == {200}
    assert {record.lossy for record in answered} == {()}
