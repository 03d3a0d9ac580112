"""Speaks to the admin listener of the node that uses a state directory."""

import http.client
import socket
from pathlib import Path

import msgspec

from tidegate.adapters.private_file import read_private
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.config.load import default_state_directory
from tidegate.errors import ConfigError, StateError
from tidegate.wire.failures import FailureBody

TIMEOUT_S = 60.0
_OK = 200


class Reloaded(msgspec.Struct):
    """What the node says of a reload."""

    generation: int
    needs_restart: list[str]
    unserved: dict[str, str]
    held_back: dict[str, str] = {}


def ask_admin(method: str, path: str, state: Path | None) -> bytes:
    """Make one request; raises StateError when no node runs there, ConfigError when it refuses."""
    paths = StatePaths(state or default_state_directory())
    token = read_private(paths.admin_token)
    try:
        kind, _, place = paths.admin_address.read_text(encoding="utf-8").strip().partition(" ")
    except FileNotFoundError:
        kind = place = ""
    if token is None or not place:
        raise StateError(f"no node runs on `{paths.root}`; start one or name its --state")
    connection = _Unix(place) if kind == "unix" else _tcp(kind, place)
    try:
        headers = {"authorization": f"Bearer {token.decode().strip()}"}
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise StateError(f"the node on `{paths.root}` does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != _OK:
        raise ConfigError(f"the node refused: {_words(body)}")
    return body


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def _tcp(host: str, port: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)


def _words(body: bytes) -> str:
    """Give the message of an error answer."""
    try:
        return msgspec.json.decode(body, type=FailureBody).error.message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body.decode(errors="replace")
