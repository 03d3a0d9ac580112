"""Bundles on a running node: which version serves, what is held back, and how that changes."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tests.e2e.bundle import SURE, TASK, Trained, decide, intent, task
from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.tiers import scripted
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.manifest import renumbered
from tidegate.cli.app import app


def deciding(url: str) -> Config:
    return {
        "upstreams": [upstream("far", url)],
        "tasks": {TASK: task()},
        "routes": [{"models": ["decider"], "upstreams": ["far"], "tasks": [TASK]}],
    }


@pytest.fixture
async def gateway(support: Trained) -> AsyncIterator[Gateway]:
    """A node with two versions of one bundle, 1 and 2."""
    async with (
        scripted() as far,
        running_gateway(deciding(far.served.url), bundles=support.bundles) as running,
    ):
        add_version(running.state, 2)
        assert (await running.admin("/admin/reload", method="POST")).status == 200
        yield running


def add_version(state: Path, number: int) -> str:
    """Give the trained bundle once more, under another number."""
    bundles = BundleFolder(state / "bundles")
    version, files = renumbered(bundles.read(TASK, bundles.versions(TASK)[0]), number)
    bundles.add(TASK, version, files)
    return version


async def served(gateway: Gateway) -> str:
    """Give the number of the version that answers."""
    # A text of its own: an answer that was shared or kept names no version.
    text = f"{SURE} {len(gateway.log.records)}"
    answer = await gateway.send("decisions", decide(intent(), text=text))
    assert answer.status == 200
    question = (await gateway.record(answer.request_id)).questions[0]
    assert question.bundle is not None
    return question.bundle.partition("@")[2].partition("-")[0]


async def said(gateway: Gateway, *arguments: str, code: int = 0) -> str:
    """Run one verb against the node's state, beside the node; give what it printed."""
    command = ["bundles", *arguments, "--state", str(gateway.state)]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    if code == 0 and result.exception is not None:
        raise result.exception
    assert result.exit_code == code
    return result.output


async def test_rollback_and_pin_reach_the_node_at_once_and_fail_no_request(
    gateway: Gateway,
) -> None:
    async def client() -> list[int]:
        return [(await gateway.send("decisions", decide(intent()))).status for _ in range(60)]

    assert await served(gateway) == "2"
    load = [asyncio.create_task(client()) for _ in range(4)]
    back = msgspec.json.decode(await said(gateway, "rollback", TASK, "--json"))
    assert (back["generation"], await served(gateway)) == (3, "1")
    assert "generation 4" in await said(gateway, "pin", TASK, "--newest")
    assert await served(gateway) == "2"
    assert {status for one in load for status in await one} == {200}

    await said(gateway, "pin", f"{TASK}@{back['version']}")
    assert await served(gateway) == "1"
    with pytest.raises(Exception, match="no version before"):
        await said(gateway, "rollback", TASK)


async def test_a_newer_version_that_fails_its_checks_is_held_back_and_told(
    gateway: Gateway,
) -> None:
    version = add_version(gateway.state, 3)
    head = gateway.state / "bundles" / TASK / version / "head.npy"
    head.write_bytes(head.read_bytes()[:-4] + b"\x00\x00\xc0\x7f")

    told = (await gateway.admin("/admin/reload", method="POST")).json()
    ready = (await gateway.send("/readyz")).json()
    status = (await gateway.admin("/admin/status")).json()

    assert "head.npy" in told["held_back"][TASK]
    assert told["unserved"] == {}
    assert ready["status"] == "ok"
    assert "serves" in ready["parts"][f"task {TASK}"]
    assert status["held_back"] == told["held_back"]
    assert await served(gateway) == "2"
    verdicts = msgspec.json.decode(await said(gateway, "verify", "--json", code=1))
    assert [one["is_good"] for one in verdicts] == [True, True, False]
    with pytest.raises(Exception, match=r"head\.npy"):
        await said(gateway, "pin", f"{TASK}@{version}")


async def test_a_pin_that_the_node_refuses_is_taken_back(gateway: Gateway) -> None:
    gateway.config_file.write_text("routes: [")

    with pytest.raises(Exception, match="the node refused"):
        await said(gateway, "rollback", TASK)

    assert not msgspec.json.decode((gateway.state / "pins.json").read_bytes())
    assert await served(gateway) == "2"


async def test_an_archive_comes_whole_to_another_node_and_serves_there(
    gateway: Gateway, tmp_path: Path
) -> None:
    archive = tmp_path / "support.tar"
    first = msgspec.json.decode(await said(gateway, "list", "--json"))[0]
    wanted = f"{TASK}@{first['version']}"
    await said(gateway, "pack", wanted, "--output", str(archive))
    again = msgspec.json.decode(await said(gateway, "unpack", str(archive), "--json"))
    shutil.rmtree(gateway.state / "bundles" / TASK)
    assert (await gateway.admin("/admin/reload", method="POST")).status == 200
    assert (await gateway.admin("/admin/status")).json()["unserved_tasks"] != {}
    added = msgspec.json.decode(await said(gateway, "unpack", str(archive), "--json"))

    assert (again["is_new"], again["version"]) == (False, first["version"])
    assert (added["is_new"], added["version"]) == (True, first["version"])
    assert await served(gateway) == "1"
    shown = msgspec.json.decode(await said(gateway, "show", TASK, "--json"))
    assert (shown["version"], shown["is_pinned"]) == (first["version"], False)


async def test_the_configuration_goes_before_a_pin_and_that_is_said(gateway: Gateway) -> None:
    newest = msgspec.json.decode(await said(gateway, "list", "--json"))[1]["version"]
    config = msgspec.json.decode(gateway.config_file.read_bytes())
    config["tasks"][TASK]["bundle_version"] = newest
    gateway.config_file.write_bytes(msgspec.json.encode(config))

    told = await said(gateway, "rollback", TASK, "--config", str(gateway.config_file))

    assert f"tasks.{TASK}.bundle_version" in told
    assert await served(gateway) == "2"
