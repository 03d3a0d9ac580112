"""Whoever keeps whose files and batches are keeps them for the first who was noted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.stores.memory_bindings import MemoryBindings
from tidegate.adapters.stores.sqlite_bindings import SqliteBindings
from tidegate.domain.passed import Bound
from tidegate.ports.passthrough import Bindings

MINE = Bound("acme", "openai", "files", 7)
THEIRS = Bound("other", "openai", "files", 7)


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def bindings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bindings]:
    if request.param == "memory":
        yield MemoryBindings()
        return
    made = SqliteBindings(tmp_path / "bindings.sqlite", SystemClock())
    yield made
    await made.close()


async def test_what_nobody_made_is_nobody_s(bindings: Bindings) -> None:
    assert await bindings.find("file-1") is None


async def test_what_was_bound_is_found(bindings: Bindings) -> None:
    await bindings.bind("file-1", MINE)
    assert await bindings.find("file-1") == MINE


async def test_the_first_to_be_noted_keeps_it(bindings: Bindings) -> None:
    await bindings.bind("file-1", MINE)
    await bindings.bind("file-1", THEIRS)
    assert await bindings.find("file-1") == MINE


async def test_what_is_forgotten_is_nobody_s(bindings: Bindings) -> None:
    await bindings.bind("file-1", MINE)
    await bindings.forget("file-1")
    await bindings.forget("file-2")
    assert await bindings.find("file-1") is None


async def test_two_processes_see_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "bindings.sqlite"
    one, other = SqliteBindings(path, SystemClock()), SqliteBindings(path, SystemClock())
    try:
        await one.bind("file-1", MINE)
        assert await other.find("file-1") == MINE
        await other.forget("file-1")
        assert await one.find("file-1") is None
    finally:
        await one.close()
        await other.close()
    again = SqliteBindings(path, SystemClock())
    assert await again.find("file-1") is None
    await again.close()
