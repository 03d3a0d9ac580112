"""A node that runs, in one process or in several: the same to whoever started it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from tidegate.config.configuration import Configuration
from tidegate.node.single import running_node
from tidegate.ports.log import Log
from tidegate.supervisor.supervisor import Crew, running_supervisor


class Running(Protocol):
    """A node that runs, in one process or several."""

    port: int
    admin_port: int | None
    reload_error: str | None

    @property
    def generation(self) -> int:
        """The number of the configuration in force."""
        ...

    async def in_flight(self) -> int:
        """Count the requests under way."""
        ...

    async def reload(self, read: Callable[[], Configuration]) -> Mapping[str, object]:
        """Read the configuration anew and swap."""
        ...

    def hurry(self) -> None:
        """Do not wait for requests under way any longer."""
        ...


def running(
    configuration: Configuration,
    state: Path,
    log: Log,
    reread: Callable[[], Configuration],
    crew: Crew,
) -> AbstractAsyncContextManager[Running]:
    """Run a node for the length of a block, with as many processes as the crew has workers."""
    if crew.workers == 1:
        return running_node(configuration, state, log, reread)
    return running_supervisor(configuration, state, log, reread, crew)
