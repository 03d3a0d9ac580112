"""API keys: how they look, how they are stored, and whose request this is. Pure.

Where the rows lie is `adapters/stores/key_file.py`'s.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from tidegate.domain.identity import DEFAULT_SCOPES, SCOPES, Identity, Scope
from tidegate.domain.key import KeyRow
from tidegate.errors import ConfigError

PREFIX = "tg-"
RANDOM_BYTES = 32
_LENGTH = len(PREFIX) + 43  # 32 bytes are 43 characters of unpadded base64
_ID_DIGITS = 12
_PEPPERS = 4


def make_key(random_bytes: bytes) -> str:
    """Give the key that 32 random bytes spell: `tg-` and 43 url-safe base64 characters."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    return PREFIX + urlsafe_b64encode(random_bytes).rstrip(b"=").decode("ascii")


def hash_key(pepper: bytes, key: str) -> str:
    """Give what is stored of a key: its HMAC-SHA-256 in hexadecimal digits.

    A slow password hash would gain nothing: there are 256 random bits to guess, not a word.
    """
    mac = _keyed(pepper).copy()
    mac.update(key.encode("ascii"))
    return mac.hexdigest()


def key_id(digest: str) -> str:
    """Give the name by which a key is listed, revoked and recorded; it tells nothing of the key."""
    return f"k-{digest[:_ID_DIGITS]}"


def parse_scopes(words: Collection[str]) -> frozenset[Scope]:
    """Give the scopes that an operator named; the usual ones for none."""
    for word in words:
        if word not in SCOPES:
            raise ConfigError(f"there is no scope {word!r}; known are {', '.join(SCOPES)}")
    return frozenset(scope for scope in SCOPES if scope in words) or frozenset(DEFAULT_SCOPES)


def usable(rows: Iterable[KeyRow], tenants: Collection[str]) -> dict[str, KeyRow]:
    """Index by digest the rows that `authenticate` may find.

    Leaves out revoked keys and those of tenants that the configuration no longer names.
    """
    return {
        row.digest: row for row in rows if row.revoked is None and row.identity.tenant in tenants
    }


def authenticate(
    presented: str, rows: Mapping[str, KeyRow], pepper: bytes, now: float
) -> Identity | None:
    """Tell whose key was presented; None for every reason to refuse it.

    The dictionary is looked up by the HMAC of what was presented. Its time may depend on the
    digests, but who does not know the pepper cannot choose digests, so it tells them nothing;
    what decides is the comparison in constant time.
    """
    if len(presented) != _LENGTH or not presented.startswith(PREFIX) or not presented.isascii():
        return None
    digest = hash_key(pepper, presented)
    row = rows.get(digest)
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    return row.identity if row.state(now) == "valid" else None


@lru_cache(maxsize=_PEPPERS)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """Give the HMAC that has taken in the pepper: setting one up is most of its cost in OpenSSL."""
    return hmac.new(pepper, digestmod="sha256")
