"""The client's headers that belong to its dialect and go with the request where it is relayed."""

from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.native import NATIVE


def headers_of_dialect(call: UpstreamCall) -> dict[str, str]:
    """Give those that the client sent; they replace the node's own of the same name."""
    sent = call.client_headers
    return {name: sent[name] for name in NATIVE[call.dialect].headers if name in sent}
