"""A task with `max_error`: all goes up until a guarantee is there, and again when it falls."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.e2e.bundle import TASK, Trained, decide, intent
from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.test_decisions import decides
from tests.e2e.tiers import QUICK, scripted
from tests.e2e.waiting import until
from tests.guarantees import a_guarantee
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.bundles.manifest import unpack
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Guarantee, Level, Tails

pytestmark = pytest.mark.asyncio


def _config(url: str) -> Config:
    return {
        "upstreams": [upstream("far", url, timeouts=QUICK)],
        "routes": [{"models": ["decider"], "upstreams": ["far"], "tasks": [TASK]}],
        "tasks": {TASK: {"question": intent(None), "max_error": 0.05, "client_max_errors": [0.01]}},
    }


def _granted(bundle: Bundle) -> Guarantee:
    return a_guarantee(
        task=TASK,
        bundle=bundle.content_hash,
        bundle_version=bundle.version,
        encoder=bundle.encoder,
        levels=(Level(0.01, None, 0, 0, 0.0, 1.0), Level(0.05, 0.01, 500, 3, 0.9, 0.02)),
        granted_at=1.0,
    )


async def _source(gateway: Gateway, **headers: str) -> tuple[str, str]:
    got = await gateway.send("decisions", decide(intent()), headers=headers)
    assert got.status == 200, got.body
    record = await gateway.record(got.request_id)
    return got.headers["x-tidegate-source"], record.questions[0].reason


async def test_a_guarantee_decides_what_is_answered_here(support: Trained) -> None:
    folder = BundleFolder(support.bundles)
    version = folder.latest(TASK)
    assert version is not None
    bundle = unpack(folder.read(TASK, version), name=TASK, version=version)
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(scripted())
        far.script = decides
        config = _config(far.served.url)
        gateway = await stack.enter_async_context(running_gateway(config, bundles=support.bundles))
        assert (await _source(gateway))[0] == "upstream"

        store = SqliteGuarantees.open(gateway.node.parts.paths.guarantees)
        store.save(_granted(bundle))
        assert (await gateway.reload(config)).status == 200
        assert await _source(gateway) == ("local", "confident")
        strict = await _source(gateway, **{"x-tidegate-max-error": "0.02"})
        assert strict[0] == "upstream"

        store.save(replace(_granted(bundle), state="suspended", reason="drift"))
        assert (await gateway.reload(config)).status == 200
        assert (await _source(gateway))[0] == "upstream"
        store.close()


async def test_a_guarantee_from_a_file_falls_when_traffic_is_unlike_the_file(
    support: Trained,
) -> None:
    folder = BundleFolder(support.bundles)
    version = folder.latest(TASK)
    assert version is not None
    bundle = unpack(folder.read(TASK, version), name=TASK, version=version)
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(scripted())
        far.script = decides
        config = _config(far.served.url)
        config["routes"][0]["cache"] = "off"
        gateway = await stack.enter_async_context(running_gateway(config, bundles=support.bundles))
        store = gateway.node.parts.learning.guarantees
        # One score in a hundred was as low as those of the texts that come now.
        store.save(replace(_granted(bundle), tails=Tails((1.1,), (0.01,))))
        assert (await gateway.reload(config)).status == 200
        assert await _source(gateway) == ("local", "confident")

        async def has_fallen() -> bool:
            return (await _source(gateway))[0] == "upstream"

        await until(has_fallen)
        found = store.load(TASK)
        assert found is not None
        assert found.state == "suspended"
        assert "no longer what it was tested on" in found.reason
