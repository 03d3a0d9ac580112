"""Sockets and TLS of a listener, over real connections."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tidegate.adapters.tls_files import ServerTls, TlsFiles
from tidegate.api.arrival import Receive, Scope, Send
from tidegate.api.listener import Listener, bind_each, bind_tcp
from tidegate.api.respond import send_whole
from tidegate.errors import ConfigError


async def says_scheme_and_peer(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    await send_whole(send, 200, f"{scope['scheme']} {scope['client'][0]}".encode())


@asynccontextmanager
async def listening(host: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    with bind_tcp(host, 0) as bound:
        listener = Listener(says_scheme_and_peer, bound, head_s=10, grace_s=1, tls=tls)
        await listener.start()
        try:
            yield bound.getsockname()[1]
        finally:
            await listener.stop()


async def get(host: str, port: int, tls: ssl.SSLContext | None = None, name: str = "") -> str:
    """Give the body of an answer, after the certificate's name when there is one."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=tls, server_hostname=name or None
    )
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2].decode()


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_all_addresses_are_those_of_ipv4_and_ipv6() -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    async with listening("::") as port:
        assert await get("::1", port) == "http ::1"
        assert await get("127.0.0.1", port) == "http ::ffff:127.0.0.1"


async def test_one_address_of_ipv6_is_only_that() -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    async with listening("::1") as port:
        assert await get("::1", port) == "http ::1"
        with pytest.raises(ConnectionRefusedError):
            await get("127.0.0.1", port)


def test_a_taken_port_is_an_error_with_the_remedy() -> None:
    refused = pytest.raises(ConfigError, match=r"cannot be used.*--port")
    with bind_tcp("127.0.0.1", 0) as bound, refused:
        bind_tcp("127.0.0.1", bound.getsockname()[1])


async def test_it_speaks_tls_with_the_certificate_of_the_files(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "gate.example")
    tls = ServerTls(TlsFiles(certificate, key))
    async with listening("127.0.0.1", tls.context) as port:
        answer = await get("127.0.0.1", port, trusting(certificate), "gate.example")
        assert answer == "https 127.0.0.1"


async def test_a_client_that_names_no_host_is_served_too(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "gate.example")
    tls = ServerTls(TlsFiles(certificate, key))
    async with listening("127.0.0.1", tls.context) as port:
        # An address is never sent as the name of a host.
        answer = await get("127.0.0.1", port, trusting(certificate), "127.0.0.1")
        assert answer == "https 127.0.0.1"


async def test_changed_files_count_after_a_reload_and_open_connections_stay(
    tmp_path: Path,
) -> None:
    certificate, key = self_signed(tmp_path, "old.example")
    old = trusting(certificate)
    tls = ServerTls(TlsFiles(certificate, key))
    async with listening("127.0.0.1", tls.context) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=old, server_hostname="old.example"
        )
        self_signed(tmp_path, "new.example")
        assert await get("127.0.0.1", port, old, "old.example") == "https 127.0.0.1"
        tls.use(tls.read())
        new = trusting(certificate)
        assert await get("127.0.0.1", port, new, "new.example") == "https 127.0.0.1"
        with pytest.raises(ssl.SSLCertVerificationError):
            await get("127.0.0.1", port, old, "old.example")
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"https 127.0.0.1")
        writer.close()
        await writer.wait_closed()


async def test_files_that_cannot_be_used_leave_the_former_in_force(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "gate.example")
    trusted = trusting(certificate)
    tls = ServerTls(TlsFiles(certificate, key))
    async with listening("127.0.0.1", tls.context) as port:
        certificate.write_text("")
        with pytest.raises(ConfigError, match="cannot be used"):
            tls.read()
        answer = await get("127.0.0.1", port, trusted, "gate.example")
        assert answer == "https 127.0.0.1"


async def test_plain_http_on_a_tls_listener_is_not_answered(tmp_path: Path) -> None:
    tls = ServerTls(TlsFiles(*self_signed(tmp_path, "gate.example")))
    async with listening("127.0.0.1", tls.context) as port:
        assert await get("127.0.0.1", port) == ""


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_one_address_is_shared_by_its_own_sockets_alone() -> None:
    sockets = bind_each("127.0.0.1", 0, 3)
    port = sockets[0].getsockname()[1]
    try:
        assert {one.getsockname()[1] for one in sockets} == {port}
        for count in (1, 2):
            with pytest.raises(ConfigError, match="--port"):
                bind_each("127.0.0.1", port, count)
    finally:
        for one in sockets:
            one.close()


async def test_a_listener_covers_another_socket_until_it_is_told_not_to() -> None:
    own, other = bind_each("127.0.0.1", 0, 2)
    with own, other:
        port = own.getsockname()[1]
        listener = Listener(says_scheme_and_peer, own.dup(), head_s=5, grace_s=1)
        await listener.start()
        covering = await listener.cover(other.dup())
        # Each connection goes to one of both sockets; all of them are answered.
        answers = [await get("127.0.0.1", port) for _ in range(16)]
        listener.uncover(covering)
        await listener.stop()

    assert set(answers) == {"http 127.0.0.1"}
