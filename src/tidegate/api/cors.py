"""Cross-origin requests from browsers (the CORS protocol of the Fetch standard).

Credentials in that standard's sense (cookies) are never allowed: keys travel in headers, which a
page must know to send. `cors_app.py` puts this policy before an application.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

Header = tuple[bytes, bytes]

ANY = "*"

EXPOSED = (
    "x-request-id",
    "request-id",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "age",
    "cache-status",
    "server-timing",
    "x-tidegate-source",
    "x-tidegate-tier",
    "x-tidegate-lossy",
    "x-tidegate-upstream",
    "x-tidegate-model",
    "x-tidegate-confidence",
    "x-tidegate-reason",
    "x-tidegate-cache",
    "x-tidegate-region",
    "x-tidegate-cost-usd",
    "x-tidegate-overhead-ms",
    "x-tidegate-config",
)
"""What a page may read of an answer beside what browsers let it read anyway."""

_METHODS = b"GET, HEAD, POST, DELETE"
_EXPOSED = ", ".join(EXPOSED).encode()
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_MOST_NAMES_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages may call the node."""

    origins: frozenset[str]
    """As browsers send them, `https://app.example`; or `*` alone, for every page."""
    max_age_s: int
    """How long a browser may remember the answer to its preflight."""

    def shared(self, origin: bytes | None) -> list[Header]:
        """Give the headers that let a page read an answer; to others only what caches must know."""
        if ANY in self.origins:
            allowed = None if origin is None else ANY.encode()
            out: list[Header] = []
        else:
            known = origin is not None and origin.decode("latin-1") in self.origins
            allowed = origin if known else None
            out = [(b"vary", b"origin")]
        if allowed is not None:
            out += [
                (b"access-control-allow-origin", allowed),
                (b"access-control-expose-headers", _EXPOSED),
            ]
        return out

    def preflight(self, headers: Iterable[tuple[bytes, bytes]]) -> list[Header] | None:
        """Give the answer to the question before a request; None when the page may not ask it."""
        asked = dict(headers)
        out = self.shared(asked.get(b"origin"))
        names = asked.get(b"access-control-request-headers", b"").strip()
        if not any(name == b"access-control-allow-origin" for name, _ in out):
            return None
        if names and (len(names) > _MOST_NAMES_BYTES or not _NAMES.fullmatch(names)):
            return None
        # Any header may come: none of them is trusted for coming from a page, and client libraries
        # send many of their own.
        return [
            *(one for one in out if one[0] != b"access-control-expose-headers"),
            (b"access-control-allow-methods", _METHODS),
            *([(b"access-control-allow-headers", names)] if names else []),
            (b"access-control-max-age", b"%d" % self.max_age_s),
        ]
