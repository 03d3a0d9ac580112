"""An encoder from a hub: a loopback server answers as the hub does."""

import json
from collections.abc import Iterator
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.encoders import published
from tidegate.adapters.encoder_hub import HubModel, fetch
from tidegate.adapters.engines.encoder_build.build import Job, build_encoder
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.domain.secret import Secret
from tidegate.errors import EncoderUnusable

REVISION = "a" * 40
NAME = "owner/small"


class Hub(ThreadingHTTPServer):
    """Serves the files of one model at one commit; large ones by a redirect, as the hub does."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.sent = dict(files)
        """What is sent; a test may let it differ from what is listed."""
        self.seen: list[tuple[str, str | None]] = []
        """Paths, each with the authorization that came along."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def listing(self) -> bytes:
        siblings = []
        for name, content in self.files.items():
            blob = sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": blob}
            if name.endswith(".onnx"):
                digest = sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        return json.dumps({"id": NAME, "sha": REVISION, "siblings": siblings}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.seen.append((path, self.headers.get("Authorization")))
        resolved = f"/{NAME}/resolve/{REVISION}/"
        if path == f"/api/models/{NAME}/revision/{REVISION}":
            self._send(200, self.server.listing(), {}, with_body=with_body)
        elif path.startswith(resolved) and path.removeprefix(resolved) in self.server.files:
            self._file(path.removeprefix(resolved), with_body=with_body)
        elif path.startswith("/large/"):
            self._send(200, self.server.sent[path.removeprefix("/large/")], {}, with_body=with_body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, with_body=with_body)

    def _file(self, name: str, *, with_body: bool) -> None:
        content = self.server.sent[name]
        headers = {"X-Repo-Commit": REVISION, "ETag": f'"{sha1(content).hexdigest()}"'}
        if name.endswith(".onnx"):
            headers["X-Linked-Etag"] = f'"{sha256(content).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(content))
            headers["Location"] = f"http://localhost:{self.server.server_port}/large/{name}"
            self._send(302, b"", headers, with_body=with_body)
        else:
            self._send(200, content, headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with a small encoder in our own format."""
    source, out = published(tmp_path / "model"), tmp_path / "built"
    build_encoder(Job(source, out, "small", "float32", "MIT"), lambda _stage, _done, _total: None)
    served = Hub({path.name: path.read_bytes() for path in out.iterdir()})
    thread = Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def model(hub: Hub, *, name: str = NAME, key: Secret | None = None) -> HubModel:
    return HubModel(name, REVISION, hub.url, key)


async def test_a_model_is_fetched_once_and_runs(hub: Hub, tmp_path: Path) -> None:
    folder = fetch(model(hub), tmp_path / "encoders")
    asked = len(hub.seen)

    encoder = OnnxEncoder(fetch(model(hub), tmp_path / "encoders"), OnnxEncoderSettings())
    encoder.open()
    encoder.check()
    assert (await encoder.encode("where is my parcel")).vector.shape == (16,)
    encoder.close()

    assert len(hub.seen) == asked
    assert {path.name for path in folder.iterdir()} == {*hub.files, "hub.json"}


def test_no_key_is_sent_that_was_not_configured(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_lying_about")

    fetch(model(hub), tmp_path / "encoders")

    assert {key for _, key in hub.seen} == {None}


def test_the_configured_key_is_sent(hub: Hub, tmp_path: Path) -> None:
    fetch(model(hub, key=Secret("hf_mine", "env:MINE")), tmp_path / "encoders")

    keys = {path.startswith("/large/"): key for path, key in hub.seen}
    # The place that large files are kept at is not the hub's own.
    assert keys == {False: "Bearer hf_mine", True: None}


@pytest.mark.parametrize("name", ["model.float32.onnx", "tokenizer.json"])
def test_a_file_that_is_not_the_listed_one_is_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.sent[name] = hub.files[name][:-1] + b"!"

    with pytest.raises(EncoderUnusable, match="sent another"):
        fetch(model(hub), tmp_path / "encoders")
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == [".lock"]


def test_a_file_that_changed_since_is_refused(hub: Hub, tmp_path: Path) -> None:
    folder = fetch(model(hub), tmp_path / "encoders")
    (folder / "tokenizer.json").write_text("{}")

    with pytest.raises(EncoderUnusable, match="has changed since it was fetched"):
        fetch(model(hub), tmp_path / "encoders")


def test_a_model_that_is_not_there_is_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match="does not exist, or is private"):
        fetch(model(hub, name="owner/none"), tmp_path / "encoders")


def test_a_hub_that_does_not_answer_is_told(tmp_path: Path) -> None:
    nobody = HubModel(NAME, REVISION, "http://127.0.0.1:1")

    with pytest.raises(EncoderUnusable, match=r"could not be fetched.*`encoder\.path`"):
        fetch(nobody, tmp_path / "encoders")
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == [".lock"]


def test_names_that_lead_elsewhere_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files = {
        name: content for name, content in hub.files.items() if name != "manifest.json"
    } | {
        "config.json": b"{}",
        "model.onnx": b"x",
        "../x_Pooling/config.json": b"{}",
    }
    hub.sent = dict(hub.files)

    with pytest.raises(EncoderUnusable, match="no plain name"):
        fetch(model(hub), tmp_path / "encoders")
    assert not (tmp_path / "x_Pooling").exists()


def test_a_model_without_a_graph_names_the_remedy(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"tokenizer.json": b"{}", "config.json": b"{}"}

    with pytest.raises(EncoderUnusable, match=r"no `model\.onnx`.*build-encoder"):
        fetch(model(hub), tmp_path / "encoders")
