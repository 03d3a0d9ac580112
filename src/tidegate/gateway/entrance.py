"""The authenticate stage: whose request this is, from the key alone."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from tidegate.domain.identity import Identity
from tidegate.domain.key import KeyRow
from tidegate.errors import Forbidden, Unauthenticated
from tidegate.policy.keys import authenticate, usable
from tidegate.ports.clock import Clock


class Entrance:
    """Knows the usable keys; the node gives it new ones when keys or tenants change."""

    def __init__(self, clock: Clock) -> None:
        """Nobody may enter before `admit` was called."""
        self._clock = clock
        self._pepper = b""
        self._rows: dict[str, KeyRow] = {}
        self._tenants: frozenset[str] = frozenset()

    def admit(self, rows: Iterable[KeyRow], pepper: bytes, tenants: Collection[str]) -> None:
        """Use these keys and tenants from now on."""
        self._rows = usable(rows, tenants)
        self._pepper = pepper
        self._tenants = frozenset(tenants)

    def identify(self, presented: str | None, acting_for: str | None = None) -> Identity:
        """Tell who presented a key; raises Unauthenticated or Forbidden.

        Only a key with role `node` may act for another tenant, and only for one that this node
        knows; from a client the wish is ignored, as every header is that it may not set.
        """
        identity = None
        if presented:
            identity = authenticate(presented, self._rows, self._pepper, self._clock.now())
        if identity is None:
            raise Unauthenticated
        if acting_for is None or identity.role != "node":
            return identity
        if acting_for not in self._tenants:
            raise Forbidden(f"This node knows no tenant {acting_for!r}.")
        return replace(identity, tenant=acting_for)
