"""Static embeddings answer before the encoder looks: by a threshold, and under a guarantee."""

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.test_decisions import decides
from tests.e2e.tiers import QUICK, scripted
from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.state_directory import open_state_directory
from tidegate.domain.guarantee import Guarantee, Loss
from tidegate.domain.promise import Promise
from tidegate.domain.question import Option, Question
from tidegate.domain.record import Record
from tidegate.domain.task import Task
from tidegate.gateway.heads import BY_STATIC, CONFIDENT
from tidegate.node.proving import Engines, Trial, prove
from tidegate.node.static_training import open_static
from tidegate.node.training import Job, bundled_encoder, train
from tidegate.statistics.language import language
from tidegate.statistics.novelty import accept_score
from tidegate.tasks.cascade import static_score

pytestmark = pytest.mark.asyncio

TASK = "topic"
LABELS = ("weather", "money")
PLACES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Delhi", "Kyoto", "Accra", "Perth")
WORDS = {
    "weather": ("will it rain in {}", "how warm is it in {}", "the forecast for {} please"),
    "money": ("send money to my bank in {}", "the exchange rate in {}", "pay my rent in {}"),
}
ENGLISH = (
    "pay my rent in Oslo at hour 1",
    "the forecast for Rome please",
    "tell me about the bank",
    "tell me about Paris and the rest of it",
)
UNCLEAR = "tell me about {}"
QUESTION = Question("choice", None, "Which topic?", tuple(Option(label) for label in LABELS))


def rows(suffix: str, days: int) -> bytes:
    """Make rows; of one wording nobody can tell what is meant, so it has both labels."""
    return b"\n".join(
        msgspec.json.encode({"text": f"{words.format(place)} {suffix} {day}", "label": label})
        for label, several in WORDS.items()
        for words in (*several, UNCLEAR)
        for place in PLACES
        for day in range(days)
    )


@dataclass(frozen=True, slots=True)
class Proven:
    """A state directory with a bundle that has a static head, and the verdict on it."""

    state: Path
    guarantee: Guarantee


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Proven:
    state = tmp_path_factory.mktemp("proven") / "state"
    paths = open_state_directory(state)
    bundles, store = BundleFolder(paths.bundles), SqliteGuarantees.open(paths.guarantees)
    encoder, table = bundled_encoder(threads=1), open_static()
    promise = Promise(0.2, loss=Loss("choice"), labels="gold")
    try:
        job = Job(TASK, rows("on day", 7), "fit.jsonl", QUESTION, time.time())
        train(job, encoder, bundles, lambda _stage, _done, _total: None, table=table)
        trial = Trial(
            Task(TASK, TASK, promise=promise), promise, rows("at hour", 5), "gold", time.time()
        )
        engines = Engines(encoder, table)
        outcome = prove(trial, engines, bundles, store, lambda _done, _total: None)
    finally:
        encoder.close()
        store.close()
    return Proven(state, outcome.guarantee)


@asynccontextmanager
async def serving(proven: Proven, folder: Path, **task: object) -> AsyncIterator[Gateway]:
    """Run a node on a copy of the state; nothing that goes up is local."""
    shutil.copytree(proven.state, folder / "state")
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(scripted())
        far.script = decides
        config: Config = {
            "upstreams": [upstream("far", far.served.url, timeouts=QUICK)],
            "routes": [
                {"models": ["decider"], "upstreams": ["far"], "tasks": [TASK], "cache": "off"}
            ],
            "tasks": {TASK: {"question": asked(), **task}},
        }
        yield await stack.enter_async_context(running_gateway(config, folder=folder))


def asked() -> Config:
    choices = [{"value": label} for label in LABELS]
    return {"type": "choice", "instructions": QUESTION.instructions, "choices": choices}


async def answered(gateway: Gateway, text: str) -> Record:
    body = {"model": "decider", "input": text, "questions": [asked()]}
    got = await gateway.send("decisions", body)
    assert got.status == 200, got.body
    return await gateway.record(got.request_id)


async def test_a_text_that_static_embeddings_are_sure_of_never_reaches_the_encoder(
    proven: Proven, tmp_path: Path
) -> None:
    async with serving(proven, tmp_path, threshold=0.5, unguaranteed=True) as gateway:
        record = await answered(gateway, "will it rain in Paris on day 3")
        long = await answered(gateway, "will it rain in Paris? " * 30)

        assert (record.source, record.tier, record.task) == ("local", "pop", TASK)
        assert record.reason == record.questions[0].reason == BY_STATIC
        assert (record.windows, record.input_tokens) == (None, 10)
        assert record.phases.local_s is not None
        assert record.phases.queue_s == 0.0
        assert (long.source, long.reason, long.windows) == ("local", CONFIDENT, 1)


async def test_under_a_guarantee_what_is_served_is_the_pair_that_was_tested(
    proven: Proven, tmp_path: Path
) -> None:
    granted = proven.guarantee
    assert granted.state == "granted"
    assert granted.static_from is not None
    assert granted.own.threshold is not None
    async with serving(proven, tmp_path, max_error=0.2) as gateway:
        loaded = gateway.node.generations.current.tasks[TASK]
        head, table = loaded.bundle.static, open_static()
        assert head is not None
        seen = set()
        for text in ENGLISH:
            assert language(text) == "en"
            embedded = table.embed(text)
            assert embedded is not None
            given = static_score(head, embedded.vector)
            best = given.index(max(given))
            score = accept_score(head.novelty, embedded.vector, best, given[best])
            settles = score >= granted.static_from + loaded.margin
            is_local = score >= granted.own.threshold + loaded.margin

            record = await answered(gateway, text)

            seen.add(settles)
            assert (record.windows is None) == settles
            if settles:
                assert record.source == ("local" if is_local else "upstream")
                assert (record.questions[0].reason == BY_STATIC) == is_local
        assert seen == {True, False}


async def test_a_guarantee_for_the_pair_is_none_for_the_encoder_alone(
    proven: Proven, tmp_path: Path
) -> None:
    async with serving(proven, tmp_path, max_error=0.2, static_first=False) as gateway:
        record = await answered(gateway, "pay my rent in Oslo at hour 1")

        assert record.source == "upstream"
        assert "static embeddings first" in record.questions[0].reason
