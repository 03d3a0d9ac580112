"""A small head, trained once for all tests on a few labels of `examples/support`."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.e2e.harness import Config
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.state_directory import open_state_directory
from tidegate.demo.rows import example_folder, read_rows
from tidegate.domain.question import Option, Question
from tidegate.node.training import Job, bundled_encoder, train

TASK = "support"
LABELS = ("order_status", "cancel_order", "double_charge")
ROWS_EACH = 40
INSTRUCTIONS = "What does the customer want?"
SURE = "You charged my card twice for the same order, I want the second payment back."
"""Any threshold below 0.5 is met; the head puts it to `double_charge`."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Where the bundle lies: copy `bundles` into a state directory to use it."""

    bundles: Path


def train_support(state: Path) -> Trained:
    """Train the task; takes about two seconds."""
    rows = [row for row in read_rows(example_folder()) if row.label in LABELS]
    taken = [
        row for label in LABELS for row in [one for one in rows if one.label == label][:ROWS_EACH]
    ]
    options = tuple(Option(label) for label in LABELS)
    job = Job(
        bundle=TASK,
        data=b"\n".join(msgspec.json.encode(row) for row in taken),
        source="support",
        question=Question("choice", "intent", INSTRUCTIONS, options),
        now=1_800_000_000.0,
    )
    paths = open_state_directory(state)
    encoder = bundled_encoder(threads=1)
    try:
        train(job, encoder, BundleFolder(paths.bundles), lambda _stage, _done, _total: None)
    finally:
        encoder.close()
    return Trained(paths.bundles)


def intent(name: str | None = "intent", instructions: str = INSTRUCTIONS) -> Config:
    """The question that the head was trained for."""
    choices = [{"value": label} for label in LABELS]
    asked = {"type": "choice", "instructions": instructions, "choices": choices}
    return asked if name is None else {**asked, "name": name}


def angry(name: str = "angry") -> Config:
    """A question that no head here covers."""
    return {"type": "predicate", "name": name, "instructions": "The customer is angry."}


def decide(*questions: Config, text: str = SURE, model: str = "decider") -> Config:
    """Make the body of a decisions request."""
    return {"model": model, "input": text, "questions": list(questions)}


def task(threshold: float = 0.4, **settings: object) -> Config:
    """Configure the task."""
    return {
        "question": intent(None),
        "threshold": threshold,
        "unguaranteed": True,
        **settings,
    }
