"""Encoders to compare: what each needs, its process, and what it is asked."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.harness.commands import run
from benchmarks.harness.errors import BenchmarkError
from tidegate.adapters.encoder_files import MANIFEST, shipped
from tidegate.adapters.engines.encoder_build import published
from tidegate.adapters.engines.encoder_build.build import Job, build_encoder

CHILD = Path(__file__).with_name("child.py")
STOP_S = 5.0
LAST_WORDS_CHARS = 300
OURS = "tidegate"
OURS_HERE = "tidegate-here"
"""The same, called in the thread that asks."""
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
}


class Turn(msgspec.Struct, frozen=True):
    """What one turn of an engine took."""

    wall_s: float
    cpu_s: float
    """Of all threads of its process."""
    median_ms: float
    """Of one text."""


@dataclass(frozen=True, slots=True)
class PeerEngine:
    """An encoder that others ship, in an environment of its own."""

    name: str
    """With its version."""
    engine: str
    requirements: tuple[str, ...]
    needs_onnx: bool
    """It runs our float32 graph; the others read the published weights."""


PEERS = (
    PeerEngine("fastembed 0.9.1", "fastembed", ("fastembed==0.9.1",), needs_onnx=True),
    PeerEngine(
        "sentence-transformers 6.2.0",
        "sentence-transformers",
        ("torch==2.13.0", "sentence-transformers==6.2.0"),
        needs_onnx=False,
    ),
    PeerEngine(
        "infinity-emb 0.0.78",
        "infinity",
        ("torch==2.13.0", "infinity-emb[torch]==0.0.78"),
        needs_onnx=False,
    ),
)


@dataclass(slots=True)
class Running:
    """An engine that waits for texts."""

    name: str
    process: subprocess.Popen[str]
    err: Path
    vectors: list[list[float]]
    """Of the first three texts."""

    def ask(self, *, first: int, count: int, at_once: int = 1) -> None:
        """Have it begin."""
        if self.process.stdin is None:
            raise BenchmarkError(f"{self.name} has no input")
        self.process.stdin.write(
            json.dumps({"first": first, "count": count, "at_once": at_once}) + "\n"
        )
        self.process.stdin.flush()

    def answer(self) -> Turn:
        """Wait for what it took."""
        return msgspec.json.decode(_line(self.name, self.process, self.err), type=Turn)

    def take(self, *, first: int, count: int, at_once: int = 1) -> Turn:
        """Have it encode and wait for it."""
        self.ask(first=first, count=count, at_once=at_once)
        return self.answer()


@contextmanager
def running(
    name: str, python: Path, engine: str, model: Path, texts: Path, *, threads: int = 1
) -> Iterator[Running]:
    """Run an engine for the length of the block."""
    err = texts.with_name(f"{name.replace(' ', '-').replace('/', '-')}.err")
    command = ["env", *(f"{key}={value}" for key, value in ONE_THREAD.items())]
    command += [str(python), str(CHILD), engine, str(model), str(texts), str(threads)]
    with err.open("wb") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
        try:
            first = json.loads(_line(name, process, err))
            yield Running(name, process, err, first["vectors"])
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def own_python() -> Path:
    """Give the interpreter that runs this."""
    return Path(sys.executable)


def peer_python(peer: PeerEngine, cache: Path) -> Path:
    """Install a peer once; give its interpreter."""
    home = cache / peer.name.replace(" ", "-")
    done = home / "installed"
    if not done.exists():
        run([sys.executable, "-m", "venv", str(home)])
        run([str(home / "bin" / "pip"), "install", "--quiet", *peer.requirements])
        done.touch()
    return home / "bin" / "python"


def float32_folder(cache: Path) -> Path:
    """Build the same encoder in float32, once."""
    out = cache / "encoder-float32"
    if not (out / MANIFEST).exists():
        shutil.rmtree(out, ignore_errors=True)
        folder = published.fetch(cache / "published")
        job = Job(
            folder=folder,
            out=out,
            name="all-minilm-l6-v2-float32",
            precision="float32",
            licence=published.LICENCE,
            language=published.LANGUAGE,
            source=published.SOURCE,
        )
        build_encoder(job, lambda _stage, _done, _total: None)
    return out


def model_for(peer: PeerEngine, cache: Path) -> Path:
    """Give the folder that a peer reads: the published one, or the same with our graph."""
    folder = published.fetch(cache / "published")
    if not peer.needs_onnx:
        return folder
    out = cache / "encoder-for-peers"
    if not out.exists():
        draft = cache / "encoder-for-peers.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        own = float32_folder(cache)
        model = msgspec.json.decode((own / MANIFEST).read_bytes())["model"]
        shutil.copy(own / model, draft / "model.onnx")
        for name in ("tokenizer.json", "config.json"):
            shutil.copy(folder / name, draft / name)
        limits = {"model_max_length": 256, "pad_token": "[PAD]"}
        (draft / "tokenizer_config.json").write_text(json.dumps(limits), encoding="utf-8")
        (draft / "special_tokens_map.json").write_text("{}", encoding="utf-8")
        draft.rename(out)
    return out


def int8_folder() -> Path:
    """Give the encoder that ships."""
    return shipped()


def _line(name: str, process: subprocess.Popen[str], err: Path) -> str:
    line = "" if process.stdout is None else process.stdout.readline()
    if not line:
        process.wait(STOP_S)
        said = _last_words(err.read_text(encoding="utf-8", errors="replace").splitlines())
        raise BenchmarkError(f"{name} ended with code {process.returncode}: {said}")
    return line


def _last_words(lines: Sequence[str]) -> str:
    spoken = [line.strip() for line in lines if line.strip()]
    return spoken[-1][:LAST_WORDS_CHARS] if spoken else "it wrote nothing"
