"""Two nodes on loopback: `hub` learns, `edge` sends it labels and serves what was learned there."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.teacher import Teacher, learning_from
from tests.e2e.tiers import Side, scripted
from tidegate.node.exchange import Exchange

SELDOM = 3_600.0
"""Seconds between pulls: tests say when."""


@dataclass
class Hub:
    """The learner, which may be away for a while."""

    folder: Path
    config: Config
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _port: int = 0

    async def start(self) -> Gateway:
        """Run it, on the port that it had before."""
        config = {**self.config, "listeners": {"data": {"port": self._port}}}
        gateway = await self._stack.enter_async_context(running_gateway(config, folder=self.folder))
        self._port = gateway.node.port
        return gateway

    async def stop(self) -> None:
        """End it."""
        await self._stack.aclose()


@dataclass
class Pair:
    """Both nodes, and the upstream that they ask."""

    side: Hub
    hub: Gateway
    edge: Gateway
    far: Side

    @property
    def exchange(self) -> Exchange:
        """The edge's side of it."""
        exchange = self.edge.node.exchange
        assert exchange is not None
        return exchange

    async def lose_hub(self) -> None:
        """Have the learner go away."""
        await self.side.stop()

    async def regain_hub(self) -> None:
        """Have it come back as it was."""
        self.hub = await self.side.start()


def collecting_for(hub_url: str, far_url: str, key: Path, **learning: object) -> Config:
    """Configure a node that collects for the one at `hub_url`, with the key in a file."""
    place = {"tier": "region", "region": "eu-central", "zone": "eu"}
    settings = {"role": "collect", "learner": "hub", "pull_s": SELDOM, **learning}
    config = learning_from(far_url, **settings)
    hub = upstream("hub", hub_url, **{**place, "kind": "tidegate", "api_key": f"file:{key}"})
    return {**config, "upstreams": [*config["upstreams"], hub]}


@asynccontextmanager
async def running_pair(
    folder: Path,
    teacher: Teacher,
    *,
    copy_of: Path | None = None,
    hub: Mapping[str, object] | None = None,
    edge: Mapping[str, object] | None = None,
    zone: str = "eu",
) -> AsyncIterator[Pair]:
    """Run both for the length of a block; `hub` and `edge` are settings of `learning`.

    `zone` is the edge's, `copy_of` a folder with states that they go on from.
    """
    if copy_of is not None:
        for name in ("hub", "edge"):
            shutil.copytree(copy_of / name / "state", folder / name / "state")
    async with scripted() as far:
        far.script = teacher
        side = Hub(folder / "hub", learning_from(far.served.url, **(hub or {})))
        try:
            central = await side.start()
            key = folder / "hub.key"
            key.write_text(central.new_key(role="node", scopes=("learn",)))
            key.chmod(0o600)
            url = f"{central.base_url}/v1"
            config = collecting_for(url, far.served.url, key, **(edge or {}))
            config["node"] = {"name": "edge", "tier": "pop", "region": "eu-west", "zone": zone}
            async with running_gateway(config, folder=folder / "edge") as near:
                yield Pair(side, central, near, far)
        finally:
            await side.stop()
