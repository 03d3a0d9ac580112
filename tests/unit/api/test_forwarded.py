"""Who the client is: what trusted proxies wrote is believed, and nothing to the left of it."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.api.asgi import ask, scope
from tidegate.api.arrival import REGION_KEY, Receive, Scope, Send
from tidegate.api.forwarded import Client, ForwardedHeader, Forwarding
from tidegate.api.forwarded_app import ForwardedApp
from tidegate.api.respond import send_whole

PROXY = "10.0.0.1"


def forwarding(header: ForwardedHeader = "x-forwarded-for") -> Forwarding:
    return Forwarding((ip_network("10.0.0.0/8"), ip_network("fd00::/8")), header)


def client_of(
    *values: str, peer: str | None = PROXY, header: ForwardedHeader = "x-forwarded-for"
) -> str | None:
    headers = [(header.encode(), value.encode("latin-1")) for value in values]
    return forwarding(header).client(peer, "http", headers).address


def test_without_trusted_proxies_headers_say_nothing() -> None:
    headers = [(b"x-forwarded-for", b"192.0.2.7"), (b"x-forwarded-proto", b"https")]
    assert Forwarding().client(PROXY, "http", headers) == Client(PROXY, "http")


def test_a_stranger_is_not_believed() -> None:
    assert client_of("192.0.2.7", peer="203.0.113.9") == "203.0.113.9"


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (["6.6.6.6", "192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (["192.0.2.7:51000"], "192.0.2.7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (["2001:db8::7, fd00::2"], "2001:db8::7"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_is_the_client(values: list[str], client: str) -> None:
    assert client_of(*values) == client


@pytest.mark.parametrize("value", ["", "unknown", "_hidden", "6.6.6.6, what?", "1.2.3", "a, ,"])
def test_what_nobody_can_read_ends_the_chain_at_the_proxy(value: str) -> None:
    assert client_of(value) == PROXY


def test_without_the_header_the_proxy_is_the_client() -> None:
    assert client_of() == PROXY


def test_a_proxy_that_comes_over_a_listener_of_both_kinds_is_known() -> None:
    assert client_of("192.0.2.7", peer="::ffff:10.0.0.1") == "192.0.2.7"


def test_no_peer_is_nobody() -> None:
    assert client_of("192.0.2.7", peer=None) is None


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["for=192.0.2.7"], "192.0.2.7"),
        (['for="[2001:db8::7]:4711";proto=https'], "2001:db8::7"),
        (["For=6.6.6.6, for=192.0.2.7;by=10.0.0.1"], "192.0.2.7"),
        (["for=192.0.2.7, for=10.0.0.2"], "192.0.2.7"),
        (['for="6.6.6.6, for=192.0.2.7'], "192.0.2.7"),
        (["for=192.0.2.7;for=6.6.6.6"], PROXY),
        (["for=unknown"], PROXY),
        (["for=_secret, for=10.0.0.2"], "10.0.0.2"),
        (["proto=https"], PROXY),
        (["by=192.0.2.7"], PROXY),
    ],
)
def test_forwarded_is_read_as_rfc_7239_has_it(values: list[str], client: str) -> None:
    assert client_of(*values, header="forwarded") == client


def test_the_other_header_is_not_listened_to() -> None:
    headers = [(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"192.0.2.7")]
    assert forwarding().client(PROXY, "http", headers).address == "192.0.2.7"
    assert forwarding("forwarded").client(PROXY, "http", headers).address == "6.6.6.6"


@pytest.mark.parametrize(
    ("stated", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("https, http", "http"), ("ftp", "http")],
)
def test_the_scheme_is_what_the_nearest_proxy_saw(stated: str, scheme: str) -> None:
    headers = [(b"x-forwarded-for", b"192.0.2.7"), (b"x-forwarded-proto", stated.encode())]
    assert forwarding().client(PROXY, "http", headers).scheme == scheme


def test_forwarded_gives_the_scheme_of_the_client_itself() -> None:
    headers = [(b"forwarded", b"for=192.0.2.7;proto=https, for=10.0.0.2;proto=http")]
    assert forwarding("forwarded").client(PROXY, "http", headers).scheme == "https"


def test_a_chain_without_end_is_cut() -> None:
    assert client_of(", ".join(["192.0.2.7", *["10.0.0.2"] * 100])) == "10.0.0.2"


@given(st.lists(st.text(st.characters(max_codepoint=255))), st.sampled_from(["x", "f"]))
def test_any_header_is_read_without_a_fault(values: list[str], kind: str) -> None:
    assert client_of(*values, header="forwarded" if kind == "f" else "x-forwarded-for")


@given(st.text(st.characters(max_codepoint=255)))
def test_nothing_that_a_client_sends_changes_what_the_proxy_appended(claimed: str) -> None:
    assert client_of(f"{claimed}, 192.0.2.7") == "192.0.2.7"
    assert client_of(f"{claimed}, for=192.0.2.7", header="forwarded") == "192.0.2.7"


REGIONS = Forwarding((ip_network("10.0.0.0/8"),), region_header="cf-ipcountry")


@pytest.mark.parametrize(
    ("peer", "values", "region"),
    [
        (PROXY, [b"NO"], "no"),
        (PROXY, [b"SE", b"NO"], "no"),
        (PROXY, [], None),
        (PROXY, [b""], None),
        (PROXY, [b"no; drop"], None),
        (PROXY, [b"x" * 33], None),
        (PROXY, [b"\xff"], None),
        ("203.0.113.9", [b"NO"], None),
        (None, [b"NO"], None),
    ],
)
def test_a_region_is_believed_of_a_trusted_proxy_alone(
    peer: str | None, values: list[bytes], region: str | None
) -> None:
    assert REGIONS.region(peer, [(b"cf-ipcountry", value) for value in values]) == region
    assert forwarding().region(peer, [(b"cf-ipcountry", value) for value in values]) is None


async def test_an_application_is_told_the_region_of_each_request() -> None:
    async def tells(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await send_whole(send, 200, str(scope[REGION_KEY]).encode())

    app = ForwardedApp(tells, REGIONS)
    about = scope(headers={b"cf-ipcountry": b"NO"})
    about.update(client=(PROXY, 1), scheme="http")
    assert (await ask(app, about)).body == b"no"
    about.update(client=("203.0.113.9", 1), scheme="http")
    assert (await ask(app, about)).body == b"None"


async def test_an_application_sees_the_client_and_not_the_proxy() -> None:
    async def tells(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await send_whole(send, 200, f"{scope['scheme']} {scope['client']}".encode())

    about = scope(headers={b"x-forwarded-for": b"198.51.100.4", b"x-forwarded-proto": b"https"})
    about["scheme"] = "http"
    near = Forwarding((ip_network("192.0.2.0/24"),))
    assert (await ask(ForwardedApp(tells, near), about)).body == b"https ('198.51.100.4', 0)"
    about.update(client=("203.0.113.5", 6_000), scheme="http")
    assert (await ask(ForwardedApp(tells, near), about)).body == b"http ('203.0.113.5', 6000)"
