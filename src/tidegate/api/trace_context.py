"""The W3C trace context that came with a request; what is malformed counts as absent."""

import re

_TRACEPARENT = re.compile(
    r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$"
)

_STATE_CHARACTERS = 2048
"""Four times of what W3C (Trace Context, section 3.3.1.5) asks to pass on at least."""

_STATE_MEMBERS = 32
_STATE_MEMBER = re.compile(
    r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


def read_traceparent(value: str) -> str | None:
    """Give it when it has the form that it should."""
    return value if _TRACEPARENT.match(value) else None


def read_tracestate(values: list[str]) -> str | None:
    """Join its lines to one list; None when that is too long or one member is malformed."""
    joined = ",".join(values)
    if len(joined) > _STATE_CHARACTERS:
        return None
    members = [member for part in joined.split(",") if (member := part.strip(" \t"))]
    if not 1 <= len(members) <= _STATE_MEMBERS or not all(map(_STATE_MEMBER.fullmatch, members)):
        return None
    return ",".join(members)
