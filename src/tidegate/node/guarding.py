"""How a node guards its listeners: bounds, and word of those who were turned away at the door."""

from collections.abc import Callable

from tidegate.adapters.clocks.system import SystemIds
from tidegate.adapters.open_files import allow_open_files
from tidegate.api.crowd import EXTRA
from tidegate.api.listener import Guard
from tidegate.config.schema import Limits
from tidegate.gateway.meter import Meter
from tidegate.ports.log import Log

ADMIN_CONNECTIONS = 64
"""Of the admin listener, which has its own so that clients cannot keep operators out."""

_OTHER_FILES = 512
"""Journal, ledger, bundles, idle connections to upstreams."""


def data_guard(limits: Limits, meter: Meter, log: Log) -> Guard:
    """Give the bounds of the data listener, and make sure that the system allows them."""
    wanted = limits.connections + EXTRA + limits.in_flight + ADMIN_CONNECTIONS + _OTHER_FILES
    allowed = allow_open_files(wanted)
    if allowed < wanted:
        log.event("limits.open_files", wanted=wanted, allowed=allowed)
    return Guard(connections=limits.connections, refusals=_Refusals(log, meter.refused))


def admin_guard(log: Log) -> Guard:
    """Give the bounds of the admin listener."""
    return Guard(connections=ADMIN_CONNECTIONS, refusals=_Refusals(log))


class _Refusals:
    """Logs and counts what was refused before any handler saw it."""

    def __init__(self, log: Log, count: Callable[[int], None] | None = None) -> None:
        self._log = log
        self._count = count
        self._ids = SystemIds()

    def note(self, status: int, code: str) -> str:
        """Take note of one refusal; gives the id for the answer."""
        request_id = self._ids.request_id()
        if self._count is not None:
            self._count(status)
        self._log.event("request.refused", request_id=request_id, status=status, error=code)
        return request_id
