"""Whether an answer may be looked up, stored and repeated. The store itself is an adapter's."""

import re
from typing import Literal

import msgspec

from tidegate.domain.request import CacheWish, Chat, Request
from tidegate.domain.route import CachePolicy
from tidegate.ports.cache import Stored

_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})")


class Permission(msgspec.Struct, frozen=True):
    """What the cache may do for one request."""

    state: Literal["off", "bypass", "miss"]
    """What the record says when nothing is found: off by route, bypassed by the client, or miss."""
    may_read: bool
    may_store: bool


OFF = Permission("off", may_read=False, may_store=False)


def permission(request: Request, policy: CachePolicy) -> Permission:
    """Decide from the route's policy, the request and its `Cache-Control`."""
    if (
        not policy.is_on
        or _is_pinned(request)
        or (_is_sampled(request) and not policy.allows_sampled)
    ):
        return OFF
    wish = request.context.cache
    state: Literal["bypass", "miss"] = "miss" if wish.may_read else "bypass"
    return Permission(state, may_read=wish.may_read, may_store=wish.may_store)


def is_fresh(entry: Stored, wish: CacheWish, now: float) -> bool:
    """Tell whether an entry may answer: within its time to live and the client's `max-age`."""
    age = now - entry.stored_at
    if age < 0:
        # The clock was set back; an entry from the future has an unknown age.
        return False
    limit = entry.ttl_s if wish.max_age_s is None else min(entry.ttl_s, wish.max_age_s)
    return age < limit


def parse_cache_control(value: str | None) -> CacheWish:
    """Read a request's `Cache-Control` header (RFC 9111): no-store, no-cache, max-age."""
    if not value:
        return CacheWish()
    lowered = value.lower()
    if "no-store" in lowered:
        return CacheWish(may_read=False, may_store=False)
    found = _MAX_AGE.search(lowered)
    return CacheWish(
        may_read="no-cache" not in lowered, max_age_s=float(found[1]) if found else None
    )


def _is_pinned(request: Request) -> bool:
    """Tell whether the answer rests on state that an upstream keeps, or adds to it."""
    return isinstance(request.ask, Chat) and request.ask.pinned_by is not None


def _is_sampled(request: Request) -> bool:
    """Tell whether repeating the request could well give another answer (unset counts as 1)."""
    return isinstance(request.ask, Chat) and request.ask.temperature != 0
