"""Changes which version serves, and tells a running node."""

import asyncio
from pathlib import Path

import msgspec

from tidegate.cli.admin_client import Reloaded, ask_admin
from tidegate.cli.configured import Overrides, configured
from tidegate.cli.encoder_here import encoder_here
from tidegate.errors import ConfigError, StateError
from tidegate.node.stock import Stock


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `pin` and `rollback`."""

    bundle: str
    version: str | None
    """None: the newest good one serves."""
    generation: int | None
    """Of the running node; None when there is none."""
    overruled_by: list[str]
    """Tasks whose `bundle_version` in the configuration goes before a pin."""

    @property
    def text(self) -> str:
        """Say it to a person."""
        what = "is no longer pinned" if self.version is None else f"is pinned to {self.version}"
        lines = [f"`{self.bundle}` {what}", in_force(self.generation)]
        lines += [
            f"but `tasks.{task}.bundle_version` in the configuration goes before a pin"
            for task in self.overruled_by
        ]
        return "\n".join(lines)


def change_pin(
    stock: Stock, name: str, version: str | None, *, state: Path | None, config: Path | None
) -> Pinned:
    """Check a version and pin it; when the running node refuses, the former pin comes back."""
    configuration = configured(config, Overrides())()
    if version is not None:
        with encoder_here(configuration, stock.paths) as encoder:
            asyncio.run(stock.verify(name, version, encoder))
    overruled = [
        task.name
        for task in configuration.tasks
        if task.bundle == name and task.bundle_version is not None
    ]
    former = stock.pin(name, version)
    try:
        generation = reload_running(state)
    except ConfigError:
        stock.pin(name, former)
        raise
    return Pinned(bundle=name, version=version, generation=generation, overruled_by=overruled)


def reload_running(state: Path | None) -> int | None:
    """Have the node on this state directory reload; gives its generation, None without a node."""
    try:
        answer = ask_admin("POST", "/admin/reload", state)
    except StateError:
        return None
    return msgspec.json.decode(answer, type=Reloaded).generation


def in_force(generation: int | None) -> str:
    """Say from when it counts."""
    if generation is None:
        return "no node runs here; it counts from the next start"
    return f"generation {generation} of the running node has it"
