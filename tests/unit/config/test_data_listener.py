"""The settings of the data listener beyond its address: values, and what is wrong with them."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from tidegate.adapters.tls_files import TlsFiles
from tidegate.api.cors import Cors
from tidegate.api.forwarded import Forwarding
from tidegate.config.data_listener import ClientSide
from tidegate.config.load import Checked, check_text, notify_socket


def checked(data: str, folder: Path = Path("/nonexistent")) -> Checked:
    text = f"listeners: {{data: {{{data}}}}}"
    return check_text(text.encode(), "x.yaml", {}, folder=folder)


def client_side(data: str, folder: Path = Path("/nonexistent")) -> ClientSide:
    result = checked(data, folder)
    assert result.configuration is not None, result.problems
    return result.configuration.client_side


def told(data: str) -> str:
    result = checked(data)
    assert result.configuration is None
    return "\n".join(problem.message for problem in result.problems)


def test_by_default_nobody_is_trusted_and_everything_is_off() -> None:
    assert client_side("") == ClientSide(Forwarding(), None, None, None)


def test_a_region_is_believed_of_proxies_that_are_listed() -> None:
    side = client_side("trusted_proxies: [10.0.0.1], region_header: CF-IPCountry")
    assert side.forwarding.region_header == "cf-ipcountry"
    assert "believed of trusted proxies only" in told("region_header: cf-ipcountry")
    assert "region_header" in told("trusted_proxies: [10.0.0.1], region_header: 'a b'")


def test_proxies_are_addresses_and_networks() -> None:
    side = client_side("trusted_proxies: [10.0.0.0/8, 'fd00::1'], forwarded_header: forwarded")
    networks = (ip_network("10.0.0.0/8"), ip_network("fd00::1/128"))
    assert side.forwarding == Forwarding(networks, "forwarded")


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0", "300.0.0.1"])
def test_what_is_no_network_is_refused(text: str) -> None:
    assert "give an address or a network such as 10.0.0.0/8" in told(f"trusted_proxies: ['{text}']")


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0"])
def test_to_trust_everybody_is_worth_a_warning(text: str) -> None:
    [warning] = checked(f"trusted_proxies: ['{text}']").warnings
    assert "trusts everybody" in warning.message


def test_origins_are_those_that_browsers_send() -> None:
    side = client_side("cors: {origins: ['https://app.example', 'http://localhost:5173']}")
    assert side.cors == Cors(frozenset({"https://app.example", "http://localhost:5173"}), 600)
    assert client_side("cors: {origins: ['*'], max_age_s: 0}").cors == Cors(frozenset("*"), 0)


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://App.example", "https://*.x", "null"]
)
def test_what_no_browser_sends_is_refused(origin: str) -> None:
    assert "is not an origin" in told(f"cors: {{origins: ['{origin}']}}")


def test_a_star_beside_others_is_a_conflict() -> None:
    assert "allows every page" in told("cors: {origins: ['*', 'https://app.example']}")
    assert told("cors: {origins: []}")
    assert told("cors: {}")


def test_pings_are_not_more_frequent_than_one_a_second() -> None:
    assert client_side("sse_ping_s: 15").sse_ping_s == 15
    assert told("sse_ping_s: 0.1")


def test_certificate_files_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.pem").touch()
    (tmp_path / "k.pem").touch()
    side = client_side("tls: {certificate: c.pem, key: k.pem}", tmp_path)
    assert side.tls == TlsFiles(tmp_path / "c.pem", tmp_path / "k.pem")


def test_a_missing_certificate_file_is_told_before_the_node_starts() -> None:
    said = told("tls: {certificate: c.pem, key: k.pem}")
    assert "`listeners.data.tls.certificate`: there is no file `/nonexistent/c.pem`" in said
    assert "`listeners.data.tls.key`" in said


def test_the_socket_of_the_service_manager_comes_from_the_environment() -> None:
    assert notify_socket({"NOTIFY_SOCKET": "/run/systemd/notify"}) == "/run/systemd/notify"
    assert notify_socket({"NOTIFY_SOCKET": ""}) is None
    assert notify_socket({}) is None
