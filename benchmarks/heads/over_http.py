"""A decision over HTTP: a real node with one small trained task, asked by one client."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.harness.errors import BenchmarkError
from benchmarks.harness.node import TENANT, Node, running_node
from benchmarks.harness.options import Options
from benchmarks.harness.progress import Progress
from benchmarks.harness.rounds import Figure, over_rounds
from benchmarks.heads.intents import read
from benchmarks.load import closed_loop
from benchmarks.load.endpoint import Endpoint
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.domain.question import Option, Question
from tidegate.node.training import Job, train

STEPS = 2
TASK = "bench"
MODEL = "bench-decide"
LABELS = ("card_arrival", "card_linking", "exchange_rate", "top_up_failed")
TEXT = "My new card has still not arrived, when will it come here?"
QUESTION = Question(
    "choice", None, "What is the customer's concern?", tuple(Option(label) for label in LABELS)
)
WARM_S = 0.5
WINDOW_S = 3.0
QUICK_WINDOW_S = 0.6
LOCAL = b"x-tidegate-source: local"


@dataclass(frozen=True, slots=True)
class Served:
    """What a client saw."""

    figures: Mapping[str, Figure]
    notes: Sequence[str]


def measure(options: Options, encoder: OnnxEncoder, progress: Progress, *, rounds: int) -> Served:
    """Train a task of four labels, start the node, and ask it in a closed loop."""
    with tempfile.TemporaryDirectory(prefix="decide-") as name:
        folder = Path(name)
        progress.step("train the task that the node answers")
        prepare(options, encoder, folder)
        progress.step("ask the node")
        with running_node(folder, config()) as node:
            asked = endpoint(node)
            check(asked)
            seconds = QUICK_WINDOW_S if options.quick else WINDOW_S
            closed_loop.load(asked, clients=1, seconds=WARM_S).checked()
            taken = [
                closed_loop.load(asked, clients=1, seconds=seconds).checked() for _ in range(rounds)
            ]
    figures = {
        "http_p50_ms": over_rounds([one.p50_ms for one in taken]),
        "http_p99_ms": over_rounds([one.p99_ms for one in taken]),
    }
    return Served(figures, [f"HTTP: {rounds} rounds of {seconds:g} s, one client on a raw socket"])


def prepare(options: Options, encoder: OnnxEncoder, folder: Path) -> None:
    """Train the task into the state directory that a node in `folder` will have."""
    bundles = folder / "state" / "bundles"
    rows = [row for row in read(options.data, "banking77", ("train",)) if row.label in LABELS]
    # The state directory is the node's own and has to be private, as it makes it itself.
    bundles.parent.mkdir(mode=0o700)
    job = Job(
        bundle=TASK,
        data=b"\n".join(msgspec.json.encode(row) for row in rows),
        source="banking77",
        question=QUESTION,
        now=time.time(),
    )
    train(job, encoder, BundleFolder(bundles), lambda _stage, _done, _total: None)


def config() -> Mapping[str, object]:
    """Give the node's configuration."""
    choices = [{"value": label} for label in LABELS]
    return {
        "node": {"tier": "pop", "region": "eu-west", "zone": "eu"},
        "tenants": [{"name": TENANT}],
        "routes": [{"models": [MODEL], "tasks": [TASK], "cache": "off"}],
        "tasks": {
            TASK: {
                "question": {
                    "type": "choice",
                    "instructions": QUESTION.instructions,
                    "choices": choices,
                },
                "threshold": 0.0,
                "unguaranteed": True,
            }
        },
    }


def endpoint(node: Node) -> Endpoint:
    """Give the question as a request."""
    question = {
        "type": "choice",
        "name": "concern",
        "instructions": QUESTION.instructions,
        "choices": [{"value": label} for label in LABELS],
    }
    body = msgspec.json.encode({"model": MODEL, "input": TEXT, "questions": [question]})
    return Endpoint(node.port, "/v1/decisions", body, {"Authorization": f"Bearer {node.key}"})


def check(asked: Endpoint) -> None:
    """Raise unless the node answers it itself."""
    said = closed_loop.answer(asked)
    if not closed_loop.is_ok(said) or LOCAL not in said.lower():
        raise BenchmarkError(f"the node did not answer itself: {said[:300]!r}")
