"""Everything that takes part in `overhead`: upstreams, direct way, plain proxy, node, peers."""

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.node import TENANT, running_node
from benchmarks.harness.processes import Child, started
from benchmarks.harness.progress import Progress
from benchmarks.load.endpoint import Endpoint
from benchmarks.load.sample import check
from benchmarks.peers import litellm, portkey, tensorzero
from benchmarks.peers.peer import installed
from benchmarks.servers import canned, nginx
from benchmarks.servers.served import Served, Upstreams

DIRECT = "direct to the upstream"
PROXY = "nginx as reverse proxy"
NODE = "tidegate"
TWO_WORKERS = "tidegate, 2 workers"
TRACED = "tidegate, traces on"
PEERS = (litellm.PEER, portkey.PEER, tensorzero.PEER)
_CHAT = "/v1/chat/completions"
_PACED_MODEL = "gpt-paced"
_START_S = 10.0


@dataclass(slots=True)
class LineUp:
    """Who takes part, and who could not."""

    upstreams: Upstreams
    served: dict[str, Served] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, served: Served) -> None:
        """Let `served` take part once it gives the right answer."""
        check(name, served)
        self.served[name] = served

    def drop(self, name: str, error: BenchmarkError) -> None:
        """Go on without `name`."""
        self.failed[name] = str(error)
        self.served.pop(name, None)


def assemble(stack: ExitStack, folder: Path, progress: Progress) -> LineUp:
    """Start the upstreams, the plain proxy and the node; `stack` ends them."""
    progress.step("start the upstreams")
    paced, paced_port = _paced_upstream(stack, folder)
    if nginx.is_installed():
        whole, whole_port = stack.enter_context(nginx.canned_upstream(folder))
        note = f"canned upstream and reverse proxy: nginx {nginx.version()}, one worker each"
    else:
        whole, whole_port = paced, paced_port
        note = "nginx is missing: the canned upstream is Python, its req/s and those of fast "
        note += "gateways are too low, and there is no reverse proxy to compare with"
    line_up = LineUp(Upstreams(whole_port, paced_port), notes=[note])
    line_up.add(DIRECT, _direct(whole, line_up.upstreams))
    if nginx.is_installed():
        line_up.add(PROXY, _proxy(stack, folder, line_up.upstreams))
    progress.step("start tidegate")
    line_up.add(NODE, _node(stack, folder, line_up.upstreams))
    progress.step("start tidegate with 2 workers")
    line_up.add(TWO_WORKERS, _node(stack, folder / "workers", line_up.upstreams, {"workers": 2}))
    progress.step("start tidegate with traces on")
    collector = {"endpoint": f"http://127.0.0.1:{whole_port}", "zone": "eu"}
    traces = {"telemetry": {"traces": collector}}
    line_up.add(TRACED, _node(stack, folder / "traced", line_up.upstreams, traces))
    return line_up


def add_peers(
    line_up: LineUp, stack: ExitStack, folder: Path, cache: Path, progress: Progress
) -> None:
    """Install and start each peer; one that fails is named with its error."""
    for peer in PEERS:
        progress.step(f"install and start {peer.name}")
        try:
            home = installed(peer, cache)
            served = stack.enter_context(peer.serving(home, folder, line_up.upstreams))
            line_up.add(peer.name, served)
            if peer.note:
                line_up.notes.append(f"{peer.name}: {peer.note}")
        except BenchmarkError as error:
            line_up.drop(peer.name, error)


def _paced_upstream(stack: ExitStack, folder: Path) -> tuple[Child, int]:
    command = [sys.executable, "-m", "benchmarks.servers.paced"]
    child = stack.enter_context(started("paced", command, folder))
    return child, int(json.loads(child.line_with("port", timeout_s=_START_S))["port"])


def _direct(whole: Child, upstreams: Upstreams) -> Served:
    return Served(
        process=whole,
        chat=Endpoint(upstreams.canned, _CHAT, canned.chat_request()),
        stream=Endpoint(upstreams.paced, _CHAT, canned.chat_request(stream=True)),
    )


def _proxy(stack: ExitStack, folder: Path, upstreams: Upstreams) -> Served:
    behind = {"canned": upstreams.canned, "paced": upstreams.paced}
    child, ports = stack.enter_context(nginx.reverse_proxy(folder, behind))
    return Served(
        process=child,
        chat=Endpoint(ports["canned"], _CHAT, canned.chat_request()),
        stream=Endpoint(ports["paced"], _CHAT, canned.chat_request(stream=True)),
    )


def _node(
    stack: ExitStack, folder: Path, upstreams: Upstreams, more: Mapping[str, object] | None = None
) -> Served:
    folder.mkdir(exist_ok=True)
    config = {**_config(upstreams), **(more or {})}
    node = stack.enter_context(running_node(folder, config))
    key = {"Authorization": f"Bearer {node.key}"}
    return Served(
        process=node.process,
        chat=Endpoint(node.port, _CHAT, canned.chat_request(), key),
        stream=Endpoint(node.port, _CHAT, canned.chat_request(_PACED_MODEL, stream=True), key),
    )


def _config(upstreams: Upstreams) -> dict[str, object]:
    place = {"tier": "central", "region": "eu-west", "zone": "eu"}
    ports = {"canned": upstreams.canned, "paced": upstreams.paced}
    return {
        "node": {"tier": "pop", "region": "eu-west", "zone": "eu"},
        "tenants": [{"name": TENANT}],
        "upstreams": [
            {"name": name, "kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1", **place}
            for name, port in ports.items()
        ],
        "routes": [
            {"models": [canned.MODEL], "upstreams": ["canned"], "cache": "off"},
            {"models": [_PACED_MODEL], "upstreams": ["paced"], "cache": "off"},
        ],
    }
