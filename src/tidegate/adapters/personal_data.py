"""What may identify a person and is left behind unless the route lets it go upstream."""

from collections.abc import Mapping

from tidegate.domain.route import Personal
from tidegate.ports.upstream import UpstreamCall

_FIELDS: Mapping[Personal, tuple[str, ...]] = {
    "user": ("user", "safety_identifier"),
    "metadata": ("metadata",),
}


def withheld_fields(forward: frozenset[Personal]) -> tuple[str, ...]:
    """Give the top-level fields of an OpenAI body that stay here."""
    return tuple(
        field for kind, fields in _FIELDS.items() if kind not in forward for field in fields
    )


def address_header(call: UpstreamCall) -> dict[str, str]:
    """Give the header that tells the client's address, where the route lets it go."""
    if call.client_address is None or "client_address" not in call.forward:
        return {}
    return {"x-forwarded-for": call.client_address}
