"""Which requests are audited and what each row may be used for. Pure; secrets come as values.

The audit draw is a keyed hash of the request's id, so nobody can steer it, it needs no state, and
it is made before any head looks. A row's role is a keyed hash of its group: the end user where the
request names one, else the words of its text. So all rows of a user, and all that say the same in
another order, case, punctuation or with other numbers, are on one side of every measurement.
A text that several users send could still stand on two sides: `disjoint` leaves it out of the
weaker one.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.domain.label import LabelRow, Role

FIT_SHARE = 0.55
CALIBRATE_SHARE = 0.2
"""Of groups; the rest, 25 %, tests. Fitting gains most from rows, and a test that just suffices
for 2 % needs some hundred of them."""
TEST_SHARE = 1.0 - FIT_SHARE - CALIBRATE_SHARE

_KEY_BYTES = 32
_HASH_BYTES = 16
_SCALE = float(1 << 64)
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of one node's label store, each for one purpose."""

    draw: bytes
    group: bytes
    role: bytes
    user: bytes


def derive(pepper: bytes) -> Keys:
    """Make the keys of the node's pepper: who sees hashes of one purpose learns nothing else."""
    made = [_derived(pepper, f"tidegate {name} 1") for name in ("draw", "group", "role", "user")]
    return Keys(*made)


def lot(keys: Keys, request_id: str) -> float:
    """Draw for a request: it belongs to every audit sample whose share is above this."""
    return uniform(keys.draw, request_id.encode())


def is_drawn(drawn: float, share: float) -> bool:
    """Tell whether a request belongs to a sample of this share; and so to each larger one."""
    return drawn < share


def is_asked_twice(keys: Keys, request_id: str, share: float) -> bool:
    """Tell whether the upstream is asked a second time, to see how far it is from itself."""
    return uniform(keys.draw, b"twice " + request_id.encode()) < share


def cluster(keys: Keys, text: str) -> bytes:
    """Hash the distinct words of a text, numbers masked: near-duplicates get the same."""
    words = sorted(set(_WORD.findall(_NUMBER.sub("0", text.casefold()))))
    said = " ".join(words) or text
    return _hash(keys.group, f"cluster {said}")


def end_user(keys: Keys, tenant: str, name: str) -> bytes:
    """Hash an end user of a tenant: the same name means another person elsewhere."""
    return _hash(keys.user, f"{tenant} {name}")


def role(keys: Keys, group: bytes) -> Role:
    """Give what the rows of a group may be used for, for ever."""
    drawn = uniform(keys.role, group)
    if drawn < FIT_SHARE:
        return "fit"
    return "calibrate" if drawn < FIT_SHARE + CALIBRATE_SHARE else "test"


def uniform(key: bytes, what: bytes) -> float:
    """Give a number from [0, 1) that only the holder of the key can foretell."""
    return int.from_bytes(hmac.digest(key, what, "sha256")[:8], "big") / _SCALE


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows by use; no group and no near-duplicate is in two of them."""

    fit: tuple[LabelRow, ...]
    calibrate: tuple[LabelRow, ...]
    test: tuple[LabelRow, ...]


def disjoint(rows: Iterable[LabelRow]) -> Parts:
    """Part rows by role; what would straddle stays in the stronger part: test, then calibrate.

    Only audit rows calibrate and test; whatever their origin, rows of a fitting group fit.
    """
    known = tuple(rows)
    test = tuple(row for row in known if row.role == "test" and row.origin == "audit")
    seen = {row.cluster for row in test}
    calibrate = tuple(
        row
        for row in known
        if row.role == "calibrate" and row.origin == "audit" and row.cluster not in seen
    )
    seen |= {row.cluster for row in calibrate}
    fit = tuple(row for row in known if row.role == "fit" and row.cluster not in seen)
    return Parts(fit, calibrate, test)


def _derived(pepper: bytes, purpose: str) -> bytes:
    return hmac.digest(pepper, purpose.encode(), "sha256")[:_KEY_BYTES]


def _hash(key: bytes, what: str) -> bytes:
    return hmac.digest(key, what.encode("utf-8", "surrogatepass"), "sha256")[:_HASH_BYTES]
