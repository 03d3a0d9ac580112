"""What is promised of choices, predicates, scores and whole requests: tested, then served."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.test_decisions import decides
from tests.e2e.tiers import QUICK, scripted
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.state_directory import StatePaths, open_state_directory
from tidegate.config.load import check_text
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.record import Record
from tidegate.domain.task import Task
from tidegate.node.proving import Engines, Trial, prove
from tidegate.node.training import Job, bundled_encoder, train

PLACES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Delhi", "Kyoto", "Accra", "Perth")
WORDS = {
    "weather": ("will it rain in {}", "how warm is it in {}"),
    "money": ("send the money to my bank in {}", "pay my rent in {}"),
}
HASTE = {"low": "some time next year", "middle": "soon", "high": "right now, this very second"}
TASKS: Config = {
    "topic": {
        "question": {
            "type": "choice",
            "instructions": "Which topic?",
            "choices": [{"value": "weather"}, {"value": "money"}],
        }
    },
    "polite": {"question": {"type": "predicate", "instructions": "They say please."}},
    "haste": {
        "question": {
            "type": "score",
            "instructions": "How soon?",
            "levels": [{"label": level} for level in HASTE],
        }
    },
}
PROMISED = {"max_error": 0.2, "guarantee": {"label_source": "gold"}}
Said = Mapping[str, str | bool]


def requests(suffix: str, count: int) -> Iterator[tuple[str, Said]]:
    for topic, several in WORDS.items():
        for words in several:
            for place in PLACES:
                for level, when in HASTE.items():
                    for polite in (True, False):
                        for number in range(count):
                            please = " if you please" if polite else ""
                            text = f"{words.format(place)} {when}{please} {suffix} {number}"
                            yield text, {"topic": topic, "polite": polite, "haste": level}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(msgspec.json.encode(row) for row in rows)


@dataclass(frozen=True, slots=True)
class Workbench:
    """A state directory with a bundle for each task."""

    paths: StatePaths
    encoder: OnnxEncoder

    def prove(self, tasks: Config, name: str, rows: list[dict[str, Any]]) -> Guarantee:
        """Test as `tidegate guarantee NAME` does."""
        configured = configured_tasks(tasks)
        task = configured[name]
        assert task.promise is not None
        others = tuple(configured[other] for other in task.promise.together[1:])
        trial = Trial(task, task.promise, lines(rows), "gold", time.time(), others)
        store = SqliteGuarantees.open(self.paths.guarantees)
        try:
            outcome = prove(
                trial, Engines(self.encoder), BundleFolder(self.paths.bundles), store, _quiet
            )
        finally:
            store.close()
        return outcome.guarantee


def _quiet(*_progress: object) -> None:
    """Say nothing of how far it is."""


def configured_tasks(tasks: Config) -> dict[str, Task]:
    found = check_text(msgspec.json.encode({"tasks": tasks}), None, {}, folder=Path())
    assert found.configuration is not None, found
    return {task.name: task for task in found.configuration.tasks}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    paths = open_state_directory(tmp_path_factory.mktemp("losses") / "state")
    encoder = bundled_encoder(threads=1)
    for task in configured_tasks(TASKS).values():
        rows = [{"text": text, "label": said[task.name]} for text, said in requests("on day", 1)]
        job = Job(task.name, lines(rows), "fit", task.question, time.time())
        train(job, encoder, BundleFolder(paths.bundles), _quiet)
    yield Workbench(paths, encoder)
    encoder.close()


def with_promise(name: str, **guarantee: object) -> Config:
    told = {**PROMISED, "guarantee": {"label_source": "gold", **guarantee}}
    return {**TASKS, name: {**TASKS[name], **told}}


def test_a_predicate_and_a_critical_choice_are_granted_on_rows_of_their_own(
    bench: Workbench,
) -> None:
    asked = list(requests("at hour", 2))
    polite = bench.prove(
        with_promise("polite", cut=0.4),
        "polite",
        [{"text": text, "label": said["polite"]} for text, said in asked],
    )
    topic = bench.prove(
        with_promise("topic", critical=["money"]),
        "topic",
        [{"text": text, "label": said["topic"]} for text, said in asked],
    )

    assert (polite.state, polite.loss.kind, polite.loss.cut) == ("granted", "predicate", 0.4)
    assert (topic.state, topic.loss.kind) == ("granted", "choice")
    (money,) = topic.critical
    assert money.label == "money"
    assert topic.rows * 0.4 < money.rows < topic.rows * 0.6
    assert money.upper < 0.2


def test_a_score_is_right_within_the_levels_that_the_operator_allows(bench: Workbench) -> None:
    levels = list(HASTE)
    near = [
        {"text": text, "label": levels[min(levels.index(str(said["haste"])) + number % 2, 2)]}
        for number, (text, said) in enumerate(requests("at hour", 2))
    ]

    exact = bench.prove(with_promise("haste"), "haste", near)
    about = bench.prove(with_promise("haste", levels_off=1), "haste", near)

    assert (exact.state, exact.loss.kind) == ("none", "score")
    assert (about.state, about.loss.levels_off, about.own.errors) == ("granted", 1, 0)


TOGETHER = with_promise("topic", together=["polite"])


@pytest.fixture(scope="module")
def granted(bench: Workbench) -> Guarantee:
    rows = [
        {"text": text, "labels": {"topic": said["topic"], "polite": said["polite"]}}
        for text, said in requests("at hour", 2)
    ]
    return bench.prove(TOGETHER, "topic", rows)


@pytest.mark.asyncio
async def test_a_request_is_answered_here_whole_or_not_at_all(
    bench: Workbench, granted: Guarantee
) -> None:
    assert (granted.state, granted.loss.kind) == ("granted", "request")
    assert granted.together == ("topic", "polite")

    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(scripted())
        far.script = decides
        config: Config = {
            "upstreams": [upstream("far", far.served.url, timeouts=QUICK)],
            "routes": [{"models": ["decider"], "upstreams": ["far"], "tasks": ["topic", "polite"]}],
            "tasks": TOGETHER,
        }
        gateway = await stack.enter_async_context(
            running_gateway(config, bundles=bench.paths.bundles)
        )
        assert await sources(gateway, "topic", "polite") == ["upstream"] * 2

        store = SqliteGuarantees.open(gateway.node.parts.paths.guarantees)
        proven = SqliteGuarantees.open_to_read(bench.paths.guarantees)
        for name in granted.together:
            kept = proven.load(name)
            assert kept is not None
            store.save(kept)
        proven.close()
        assert (await gateway.reload(config)).status == 200

        assert await sources(gateway, "topic", "polite") == ["local"] * 2
        assert await sources(gateway, "polite", "topic") == ["local"] * 2
        for company in (("topic",), ("topic", "polite", "polite")):
            alone = await answered(gateway, *company)
            assert {one.source for one in alone.questions} == {"upstream"}
            assert "that ask `topic`, `polite` together" in alone.questions[0].reason

        suspended = store.load("polite")
        assert suspended is not None
        store.save(replace(suspended, state="suspended", reason="drift"))
        store.close()
        assert (await gateway.reload(config)).status == 200
        assert await sources(gateway, "topic", "polite") == ["upstream"] * 2


async def sources(gateway: Gateway, *names: str) -> list[str]:
    return [one.source for one in (await answered(gateway, *names)).questions]


async def answered(gateway: Gateway, *names: str) -> Record:
    text = f"pay my rent in Rome soon if you please {len(gateway.log.records)}"
    questions = [
        {**TASKS[name]["question"], "name": f"q{place}"} for place, name in enumerate(names)
    ]
    body = {"model": "decider", "input": text, "questions": questions}
    got = await gateway.send("decisions", body)
    assert got.status == 200, got.body
    return await gateway.record(got.request_id)
