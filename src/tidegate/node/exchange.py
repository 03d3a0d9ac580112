"""Keeps a node that collects or serves in touch with its learner; idle where it has none."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.config.configuration import Configuration
from tidegate.node.fitting import Texts
from tidegate.node.learner_link import Ties, over_http
from tidegate.node.learning import labels_of
from tidegate.node.owner import Owner, Reach
from tidegate.node.pulling import Pulling
from tidegate.node.sending import Sending
from tidegate.node.stock import Stock
from tidegate.node.upkeep import Upkeep

SEND_EVERY_S = 1.0
SWEEP_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """Both directions."""

    ties: Ties
    pulling: Pulling
    sending: Sending

    async def status(self) -> Mapping[str, object] | None:
        """Tell how it stands; None where this node has no learner."""
        link = self.ties.link
        if link is None:
            return None
        outbox = self.ties.store().outbox
        return {
            "learner": link.configured.settings.name,
            "heard": link.heard,
            "waiting": await self.ties.run(outbox.size),
            "dropped": await self.ties.run(outbox.dropped),
            "lost": self.sending.lost,
            "troubles": dict(self.ties.told),
        }


def start_exchange(
    stack: AsyncExitStack,
    upkeep: Upkeep,
    owner: Owner,
    configuration: Callable[[], Configuration],
    reach: Reach,
    texts: Callable[[], Awaitable[Texts]],
) -> Exchange:
    """Begin to talk to the learner in the process that owns the state."""
    guarantees = SqliteGuarantees.open(owner.paths.guarantees)
    stack.callback(guarantees.close)
    ties = Ties(
        owner.clock,
        SystemIds(),
        labels_of(owner.paths, configuration),
        guarantees,
        Stock(owner.paths),
        owner.log,
        configuration,
        lambda configured, around: over_http(configured, around, owner.clock),
    )
    exchange = Exchange(ties, Pulling(ties, texts, reach), Sending(ties))
    stack.push_async_callback(ties.close)
    upkeep.every(configuration().learning.pull_s, "learner's news", exchange.pulling.pull)
    upkeep.every(SEND_EVERY_S, "labels for the learner", exchange.sending.drain)
    upkeep.every(SWEEP_EVERY_S, "labels not sent", exchange.sending.sweep)
    return exchange
