"""Who the client is behind trusted proxies, and where, by what these write into headers.

X-Forwarded-For and -Proto, or Forwarded (RFC 7239); the region has a header of the proxy's own.
Read from the right: each proxy appends whom it spoke with, so only what trusted proxies wrote is
believed. One of the two headers is listened to, since proxies pass the other on as it came.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Network = IPv4Network | IPv6Network
Scheme = Literal["http", "https"]
Address = IPv4Address | IPv6Address
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

_REGION = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
"""Of what is longer or holds anything else nothing is believed."""
MOST_HOPS = 32
"""Proxies in a row that are followed; a longer chain ends at the last of them."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request came from, as far as it is vouched for."""

    address: str | None
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Whom to believe, and by which header they speak."""

    trusted: tuple[Network, ...] = ()
    """Networks of the proxies; without any, headers say nothing."""
    header: ForwardedHeader = "x-forwarded-for"
    region_header: str | None = None
    """In which the nearest proxy says where the client is; in lower case."""

    def client(
        self, peer: str | None, scheme: Scheme, headers: Iterable[tuple[bytes, bytes]]
    ) -> Client:
        """Give the client of a request that `peer` sent, out of all its headers in order."""
        nearest = _address(peer or "") if self.trusted else None
        if nearest is None or not self._trusts(nearest):
            return Client(peer if nearest is None else str(nearest), scheme)
        values: dict[bytes, list[str]] = {b"x-forwarded-proto": [], self.header.encode(): []}
        for name, value in headers:
            if name in values:
                values[name].append(value.decode("latin-1"))
        chain = _from_right(values[self.header.encode()])
        if self.header == "forwarded":
            return self._by_forwarded(nearest, scheme, chain)
        stated = next(_from_right(values[b"x-forwarded-proto"]), "")
        hops = ((_address(text), stated) for text in chain)
        return self._follow(nearest, _scheme(stated) or scheme, hops)

    def region(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Give the region that a trusted `peer` states; of several headers the last counts."""
        nearest = _address(peer or "")
        if self.region_header is None or nearest is None or not self._trusts(nearest):
            return None
        wanted, found = self.region_header.encode(), ""
        for name, value in headers:
            if name == wanted:
                found = value.decode("latin-1").strip().lower()
        return found if _REGION.fullmatch(found) else None

    def _by_forwarded(self, nearest: Address, scheme: Scheme, chain: Iterator[str]) -> Client:
        elements = (_pairs(text) for text in chain)
        hops = ((_address(pairs.get("for", "")), pairs.get("proto", "")) for pairs in elements)
        return self._follow(nearest, scheme, hops)

    def _follow(
        self, nearest: Address, scheme: Scheme, hops: Iterable[tuple[Address | None, str]]
    ) -> Client:
        """Go from proxy to proxy until one is not trusted, or hides whom it spoke with."""
        client = nearest
        for address, stated in hops:
            scheme = _scheme(stated) or scheme
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return Client(str(client), scheme)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.trusted)


def _from_right(values: list[str]) -> Iterator[str]:
    """Give the elements of a header that may stand several times, the last one first.

    Cut at every comma: no element that a proxy writes has one within quotes, and a client must
    not be able to swallow what follows by opening a quote.
    """
    left = MOST_HOPS
    for value in reversed(values):
        for element in reversed(value.rsplit(",", left)):
            if left == 0:
                return
            left -= 1
            yield element.strip(" \t")


def _pairs(element: str) -> dict[str, str]:
    """Read `for=...;proto=...`; of a name that stands twice nothing is believed."""
    pairs: dict[str, str] = {}
    for pair in element.split(";"):
        name, _, value = pair.strip(" \t").partition("=")
        name = name.lower()
        pairs[name] = "" if name in pairs else value.removeprefix('"').removesuffix('"')
    return pairs


def _address(text: str) -> Address | None:
    """Read an address with or without a port; None for `unknown`, `_hidden` and nonsense."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # What comes over IPv4 to a listener of both kinds is written as IPv6.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _scheme(text: str) -> Scheme | None:
    match text.lower():
        case "http":
            return "http"
        case "https":
            return "https"
        case _:
            return None
