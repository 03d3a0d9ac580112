"""Who of the client's users a request is about, where it says so."""

import msgspec


class _Named(msgspec.Struct):
    safety_identifier: object = None
    user: object = None


_DECODE = msgspec.json.Decoder(_Named).decode


def end_user(body: bytes) -> str | None:
    """Give the end user's name as the client wrote it; `body` was checked at the edge."""
    try:
        named = _DECODE(body)
    except msgspec.DecodeError:
        return None
    for name in (named.safety_identifier, named.user):
        if isinstance(name, str) and name:
            return name
    return None
