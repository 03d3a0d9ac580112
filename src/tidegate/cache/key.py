"""The key of a cached answer: everything that can alter the answer, and who may share it."""

from hashlib import blake2b

import msgspec

from tidegate.domain.request import Request

IGNORED_FIELDS = frozenset(
    {
        # How the answer travels, not what it says; a hit is replayed in the form asked for.
        "stream",
        "stream_options",
        # Who asks within the tenant and bookkeeping; none of it reaches the model.
        "user",
        "metadata",
        "safety_identifier",
        # Hints to the upstream's own prompt cache.
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)
"""Top-level body fields that do not enter the key. Any field not named here does."""


def exact_key(request: Request, *, content: str) -> bytes:
    """Give the key of a request: 32 bytes.

    `content` is the hash of what can alter the answer on this side: route, upstreams, bundle
    versions. The tenant is a hard partition and comes from the authenticated identity.
    """
    fields = msgspec.json.decode(request.body, type=dict[str, object])
    canonical = msgspec.json.encode(
        [
            request.context.identity.tenant,
            request.surface,
            request.dialect,
            request.context.client_headers,
            request.context.max_error,
            # What may be answered here depends on it where guarantees part requests by region.
            request.context.region,
            content,
            {name: value for name, value in fields.items() if name not in IGNORED_FIELDS},
        ],
        order="deterministic",
    )
    return blake2b(canonical, digest_size=32).digest()
