"""A whole node on loopback, in this process, with a client, keys and its records at hand.

    async with running_mock() as mock, running_gateway(forward_to(mock.url)) as gateway:
        answer = await gateway.chat("Hi")

`child.py` beside this file runs the same node as `tidegate run`, to be killed and signalled.
"""

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.e2e.waiting import until
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.config.configuration import Configuration
from tidegate.config.load import load
from tidegate.domain.identity import DEFAULT_SCOPES, SCOPES, Identity, Role, Scope
from tidegate.domain.key import KeyRow
from tidegate.domain.record import Record
from tidegate.mock.server import RunningMock
from tidegate.node.node import Node
from tidegate.node.single import running_node
from tidegate.policy.keys import RANDOM_BYTES, hash_key, key_id, make_key

Config = dict[str, Any]
Body = Mapping[str, Any]

OK = 200
TENANT = "default"
ALL_SCOPES: frozenset[Scope] = frozenset(SCOPES)
PATHS = {
    "chat": "/v1/chat/completions",
    "embeddings": "/v1/embeddings",
    "decisions": "/v1/decisions",
}


@dataclass(frozen=True, slots=True)
class Got:
    """A complete answer as the client has it."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of repeated ones the last."""
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def text(self) -> str:
        """The words of a whole chat answer."""
        return str(self.json()["choices"][0]["message"]["content"])

    @property
    def code(self) -> str | None:
        """The `code` of an error body."""
        code: str | None = self.json()["error"]["code"]
        return code

    @property
    def param(self) -> str | None:
        """The `param` of an error body."""
        param: str | None = self.json()["error"]["param"]
        return param


def upstream(name: str, url: str, **settings: object) -> Config:
    """Describe an upstream; `central` unless stated otherwise."""
    place = {"tier": "central", "region": "us-east", "zone": "us"}
    return {"name": name, "kind": "openai", "base_url": url, "proxy": "none", **place, **settings}


def forward_to(url: str, **route: object) -> Config:
    """Configure a node that sends every model to the upstream `central` at `url`."""
    return {
        "upstreams": [upstream("central", url)],
        "routes": [{"models": ["*"], "upstreams": ["central"], **route}],
    }


def chat_body(text: str = "Hello there", **fields: object) -> dict[str, Any]:
    """Make the body of a chat request."""
    return {"model": "assistant", "messages": [{"role": "user", "content": text}], **fields}


@dataclass
class Gateway:
    """A running node and one client of it."""

    node: Node
    folder: Path
    """Holds `tidegate.yaml`; the node's state lies in `state`."""
    log: MemoryLog
    http: aiohttp.ClientSession
    key: str
    """A key of the tenant `default` with every scope, `debug` too."""
    admin_token: str
    reread: Callable[[], Configuration]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config_file(self) -> Path:
        return self.folder / "tidegate.yaml"

    @property
    def base_url(self) -> str:
        """Without `/v1`."""
        return f"http://127.0.0.1:{self.node.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.node.admin_port}"

    def new_key(
        self,
        tenant: str = TENANT,
        *,
        role: Role = "client",
        scopes: Iterable[Scope] = DEFAULT_SCOPES,
        expires: float | None = None,
    ) -> str:
        """Make one more key; it is valid when this returns."""
        key = add_key(self.state, tenant, role=role, scopes=scopes, expires=expires)
        self.node.admit()
        return key

    async def send(
        self,
        path: str,
        body: Body | bytes | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Got:
        """Send one request and read the whole answer; `path` may be the name of a surface."""
        async with self.opened(path, body, key=key, headers=headers, method=method) as response:
            return Got(response.status, _lowered(response), await response.read())

    @asynccontextmanager
    async def opened(
        self,
        path: str,
        body: Body | bytes | None = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and give the answer at its head; `close()` on it leaves mid-answer."""
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
        async with self.http.request(
            method or ("GET" if body is None else "POST"),
            self.base_url + PATHS.get(path, path),
            data=data,
            headers={**sent, **(headers or {})},
        ) as response:
            yield response

    async def chat(self, text: str = "Hello there", **fields: object) -> Got:
        """Send one chat request with the default key."""
        return await self.send("chat", chat_body(text, **fields))

    async def admin(
        self,
        path: str,
        *,
        method: str = "GET",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """Ask the admin listener; `token=""` sends none."""
        shown = self.admin_token if token is None else token
        sent = {"authorization": f"Bearer {shown}"} if shown else {}
        async with self.http.request(
            method, self.admin_url + path, headers={**sent, **(headers or {})}
        ) as response:
            return Got(response.status, _lowered(response), await response.read())

    async def record(self, request_id: str) -> Record:
        """Give the record of a request from the ledger, once it is there."""

        async def found() -> Record | None:
            got = await self.admin(f"/admin/records/{request_id}")
            return msgspec.json.decode(got.body, type=Record) if got.status == OK else None

        return await until(found)

    async def last_record(self, count: int = 1) -> Record:
        """Give the newest record, once the access log has seen `count` of them."""
        return (await self.records(count))[-1]

    async def records(self, count: int) -> list[Record]:
        """Give all records, once the access log has seen `count` of them."""
        await until(lambda: len(self.log.records) >= count)
        return list(self.log.records)

    def configure(self, config: Config) -> None:
        """Write another configuration; `reload` or `POST /admin/reload` takes it over."""
        write_config(self.config_file, config)

    async def reload(self, config: Config) -> Got:
        """Write another configuration and have the node take it over."""
        self.configure(config)
        return await self.admin("/admin/reload", method="POST")


@asynccontextmanager
async def running_gateway(
    config: Config | None = None,
    *,
    mock: RunningMock | None = None,
    folder: Path | None = None,
    tenants: Iterable[str] = (TENANT,),
    bundles: Path | None = None,
) -> AsyncIterator[Gateway]:
    """Run a node for the length of a block.

    `mock` is short for a configuration that forwards every model to it. A `folder` with `state`
    is used as it is; else everything lies in a temporary one. `bundles` are copied into the state.
    """
    given = config if config is not None else forward_to(mock.url) if mock is not None else {}
    async with AsyncExitStack() as stack:
        if folder is None:
            # The system's own short path: a unix socket below it must stay under 108 bytes.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tg-")))
        if bundles is not None:
            shutil.copytree(bundles, folder / "state" / "bundles")
        file = folder / "tidegate.yaml"
        write_config(file, {"tenants": [{"name": name} for name in tenants], **given})
        key = add_key(folder / "state", scopes=ALL_SCOPES)
        log = MemoryLog()

        def reread() -> Configuration:
            return load(file, {})

        node = await stack.enter_async_context(
            running_node(reread(), folder / "state", log, reread)
        )
        token = node.parts.paths.admin_token.read_text(encoding="ascii").strip()
        # No connection is kept: one that a test left half-read must not serve the next request.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))
        )
        yield Gateway(node, folder, log, http, key, token, reread)


def write_config(file: Path, config: Config) -> None:
    """Write a configuration whose listeners take any free port; JSON is YAML."""
    file.parent.mkdir(parents=True, exist_ok=True)
    base: Config = {
        "node": {"name": "edge", "tier": "pop", "region": "eu-west", "zone": "eu"},
        "listeners": {"data": {"port": 0}},
        "log": {"format": "json"},
    }
    file.write_bytes(msgspec.json.format(msgspec.json.encode({**base, **config}), indent=2))


def add_key(
    state: Path,
    tenant: str = TENANT,
    *,
    role: Role = "client",
    scopes: Iterable[Scope] = DEFAULT_SCOPES,
    expires: float | None = None,
) -> str:
    """Make a key in a state directory, as `tidegate keys create` does."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = KeyFile(state / "keys.json", state / "pepper")
    key = make_key(os.urandom(RANDOM_BYTES))
    digest = hash_key(keys.load().pepper, key)
    identity = Identity(tenant, key_id(digest), role, frozenset(scopes))
    keys.add(KeyRow(identity, digest, created=time.time(), expires=expires))
    return key


def _lowered(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
