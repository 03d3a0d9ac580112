"""Two nodes on loopback: `hub` learns, `edge` sends it labels and serves what was learned there."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.teacher import Teacher, learning_from
from tests.e2e.tiers import Side, scripted
from tidegate.node.exchange import Exchange

SELDOM = 3_600.0
"""Seconds between pulls: tests say when."""


@dataclass
class Pair:
    """Both nodes, and the upstream that they ask."""

    hub: Gateway
    edge: Gateway
    far: Side

    @property
    def exchange(self) -> Exchange:
        """The edge's side of it."""
        exchange = self.edge.node.exchange
        assert exchange is not None
        return exchange


def collecting_for(hub_url: str, far_url: str, key: Path, **learning: object) -> Config:
    """Configure a node that collects for the one at `hub_url`, with the key in a file."""
    place = {"tier": "region", "region": "eu-central", "zone": "eu"}
    config = learning_from(far_url, role="collect", learner="hub", pull_s=SELDOM, **learning)
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
    edge_node: Mapping[str, object] | None = None,
) -> AsyncIterator[Pair]:
    """Run both for the length of a block; `hub` and `edge` are settings of `learning`."""
    if copy_of is not None:
        for name in ("hub", "edge"):
            shutil.copytree(copy_of / name / "state", folder / name / "state")
    async with scripted() as far:
        far.script = teacher
        made = learning_from(far.served.url, **(hub or {}))
        async with running_gateway(made, folder=folder / "hub") as central:
            key = folder / "hub.key"
            key.write_text(central.new_key(role="node", scopes=("learn",)))
            key.chmod(0o600)
            config = collecting_for(f"{central.base_url}/v1", far.served.url, key, **(edge or {}))
            if edge_node is not None:
                config = {**config, "node": edge_node}
            async with running_gateway(config, folder=folder / "edge") as near:
                yield Pair(central, near, far)
