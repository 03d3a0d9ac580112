"""One server-sent event, kept as the bytes that travelled so that relaying costs nothing."""

import msgspec


class Event(msgspec.Struct, frozen=True):
    """One event of a stream.

    `raw` holds the bytes including the blank line that ends it; `data` the joined `data:` lines
    (empty for comments); `name` the `event:` field, if any. Whoever changes an event makes a new
    one, so an untouched event is relayed byte for byte.
    """

    raw: bytes
    data: bytes = b""
    name: str | None = None
