"""Settings of the data listener, and what becomes of them: where clients reach the node, and how.

Nothing here changes with a reload but the content of certificate files.
"""

import re
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from tidegate.adapters.tls_files import TlsFiles
from tidegate.api.cors import ANY, Cors
from tidegate.api.forwarded import ForwardedHeader, Forwarding, Network
from tidegate.config.document import Document
from tidegate.config.problem import Path as Place
from tidegate.config.words import Port, Text

_HERE: Place = ("listeners", "data")
_Silence = Annotated[float, Meta(ge=1, le=3_600)]
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS at the node itself; behind a proxy that ends TLS, leave it out."""

    certificate: Annotated[
        Text,
        Meta(
            description="PEM file with the certificate and those that lead to its root; a path"
            " relative to this file. A reload takes over what it holds then."
        ),
    ]
    key: Annotated[Text, Meta(description="PEM file with its key, without a passphrase.")]


class CorsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which web pages may call the node from a browser."""

    origins: Annotated[
        tuple[Text, ...],
        Meta(
            min_length=1,
            description="Origins such as `https://app.example`, or `*` alone for every page. A"
            " page that calls the node holds a key, and so does whoever reads the page.",
        ),
    ]
    max_age_s: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds for which a browser may remember that it may call. Default 600.",
        ),
    ] = 600


class DataListenerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where clients reach the node."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on. Default 127.0.0.1, so that a first try is not open"
            " to the network; `0.0.0.0` for all IPv4 addresses, `::` for all of IPv6 and IPv4.",
        ),
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port. Default 4000; 0 lets the system choose.")] = (
        4000
    )
    tls: Annotated[TlsSettings | None, Meta(description="TLS. Default: none, plain HTTP.")] = None
    trusted_proxies: Annotated[
        tuple[Text, ...],
        Meta(
            description="Addresses or networks of proxies in front, such as `10.0.0.0/8`, that are"
            " believed when they say who the client is. Default: none."
        ),
    ] = ()
    forwarded_header: Annotated[
        ForwardedHeader,
        Meta(
            description="By which header they say so: `x-forwarded-for` (default, with"
            " `x-forwarded-proto`) or `forwarded` (RFC 7239). The other is ignored, since proxies"
            " pass it on as clients sent it."
        ),
    ] = "x-forwarded-for"
    region_header: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None,
        Meta(
            description="Header in which a trusted proxy says where the client is, such as"
            " `cf-ipcountry`: the region by which guarantees part requests. It has to be one that"
            " the proxy sets itself and does not pass on. Default: none, every request counts to"
            " `node.region`."
        ),
    ] = None
    cors: Annotated[
        CorsSettings | None, Meta(description="Calls from browsers. Default: refused.")
    ] = None
    sse_ping_s: Annotated[
        _Silence | None,
        Meta(
            description="Seconds of silence in a stream after which a comment is sent, for proxies"
            " that close quiet connections. Default: never.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ClientSide:
    """How the data listener speaks with what lies between it and its clients."""

    forwarding: Forwarding = field(default_factory=Forwarding)
    cors: Cors | None = None
    sse_ping_s: float | None = None
    tls: TlsFiles | None = None


def configure_client_side(
    settings: DataListenerSettings, document: Document, folder: Path
) -> ClientSide:
    """Turn the settings into values; what is wrong is reported to the document."""
    region_header = settings.region_header
    if region_header is not None and not settings.trusted_proxies:
        document.report(
            (*_HERE, "region_header"),
            "`listeners.data.region_header` is believed of trusted proxies only; list them under"
            " `trusted_proxies`",
        )
    return ClientSide(
        forwarding=Forwarding(
            _networks(settings.trusted_proxies, document),
            settings.forwarded_header,
            None if region_header is None else region_header.lower(),
        ),
        cors=None if settings.cors is None else _cors(settings.cors, document),
        sse_ping_s=settings.sse_ping_s,
        tls=None if settings.tls is None else _tls(settings.tls, document, folder),
    )


def _networks(texts: tuple[str, ...], document: Document) -> tuple[Network, ...]:
    networks = []
    for path, text in document.entries((*_HERE, "trusted_proxies"), texts):
        try:
            network = ip_network(text)
        except ValueError as error:
            document.report(
                path, f"{error}; give an address or a network such as 10.0.0.0/8 or fd00::/8"
            )
            continue
        if network.prefixlen == 0:
            document.warn(
                path, f"`{text}` trusts everybody: whoever reaches the node chooses its address"
            )
        networks.append(network)
    return tuple(networks)


def _cors(settings: CorsSettings, document: Document) -> Cors:
    origins = settings.origins
    for path, origin in document.entries((*_HERE, "cors", "origins"), origins):
        if origin == ANY:
            if len(origins) > 1:
                document.report(path, f"`{ANY}` allows every page; leave the others out, or it")
        elif not _ORIGIN.fullmatch(origin):
            document.report(
                path,
                f"{origin!r} is not an origin as browsers send it: scheme and host in lower case,"
                " a port if it is not the usual one, no path, as in https://app.example",
            )
    return Cors(frozenset(origins), settings.max_age_s)


def _tls(settings: TlsSettings, document: Document, folder: Path) -> TlsFiles:
    def file(name: str, value: str) -> Path:
        path = folder / Path(value).expanduser()
        if not path.is_file():
            document.report(
                (*_HERE, "tls", name), f"`listeners.data.tls.{name}`: there is no file `{path}`"
            )
        return path

    return TlsFiles(file("certificate", settings.certificate), file("key", settings.key))
