"""What only one process may do for a state directory: the ledger, retention, learning.

That process is the node itself, or the supervisor of several workers. Work that belongs to the
state and not to requests is started in `start_jobs`, and reaches what serves by `rebuild` alone.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tidegate.adapters.clocks.system import SystemClock
from tidegate.adapters.filesystem import ephemeral_kind
from tidegate.adapters.process_lock import lock_for_life
from tidegate.adapters.stores.journal_file import seal_all
from tidegate.adapters.stores.state_directory import StatePaths, open_state_directory
from tidegate.config.configuration import Configuration
from tidegate.domain.guarantee import Grant
from tidegate.node.upkeep import MOVE_EVERY_S, PRUNE_EVERY_S, LedgerKeeper, Upkeep
from tidegate.ports.log import Log

Rebuild = Callable[[str], Awaitable[None]]
"""Makes every serving process build anew what it answers by; takes the reason."""

Revoke = Callable[[Grant], Awaitable[None]]
"""Makes every serving process answer no more under a guarantee, at once: also while another
change is under way."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How what the owner of the state decides comes to those who serve."""

    revoke: Revoke
    restore: Revoke
    """Takes back a revocation, where the same guarantee holds again."""
    rebuild: Rebuild


@dataclass(frozen=True, slots=True)
class Owner:
    """The state directory, locked for this process."""

    clock: SystemClock
    paths: StatePaths
    ledger: LedgerKeeper
    log: Log


async def open_owner(stack: AsyncExitStack, state: Path, log: Log) -> Owner:
    """Lock the state directory and replay what an earlier process left in its journals.

    Raises StateError when another node runs on it, or when it cannot be used.
    """
    clock = SystemClock()
    paths = open_state_directory(state)
    kind = ephemeral_kind(paths.root)
    if kind is not None:
        log.event("state.ephemeral", path=str(paths.root), filesystem=kind)
    stack.callback(lock_for_life(paths.lock, "The state directory", "stop that node"))
    seal_all(paths.journal)
    ledger = LedgerKeeper(paths.ledger, paths.journal, clock)
    stack.push_async_callback(ledger.close)
    await ledger.open()
    return Owner(clock, paths, ledger, log)


async def start_jobs(
    upkeep: Upkeep, owner: Owner, configuration: Callable[[], Configuration], rebuild: Rebuild
) -> None:
    """Begin the work that belongs to the state; `upkeep` ends it.

    `configuration` gives the one in force. A job that changed what decides answers (a bundle, a
    guarantee) awaits `rebuild`.
    """
    del rebuild

    async def prune() -> None:
        keep = configuration().ledger
        await owner.ledger.prune(keep.keep_days, keep.keep_rows)

    await prune()
    upkeep.every(MOVE_EVERY_S, "ledger", owner.ledger.move)
    upkeep.every(PRUNE_EVERY_S, "retention", prune)
