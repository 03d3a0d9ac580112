"""An upstream that knows the right answer to every text, and a stream of texts to ask about."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.contract.servers import Turn
from tests.e2e.harness import TENANT, Config, Gateway, running_gateway, upstream, write_config
from tests.e2e.tiers import QUICK, scripted
from tests.label_rows import a_label
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.config.load import load
from tidegate.demo.rows import example_folder, read_rows
from tidegate.domain.label import Owner
from tidegate.learning.audit import cluster, derive, role
from tidegate.node.learning import open_labels
from tidegate.node.parts import open_encoder
from tidegate.statistics.language import language

ENDINGS = (" Thanks!", " Please help.")
"""Behind a text they make it another one that means the same."""
LABELS = ("order_status", "cancel_order", "double_charge", "change_address", "promo_code")


def intent() -> Config:
    """The question that is learned."""
    choices = [{"value": label} for label in LABELS]
    return {"type": "choice", "instructions": "What does the customer want?", "choices": choices}


@dataclass
class Teacher:
    """Labels texts as a table says; what it is not told it calls the first choice."""

    labels: Mapping[str, str]
    model: str = "far-decider"
    fails_after: int | None = None
    """Answer only so many, then fail."""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, turn: Turn) -> None:
        body = msgspec.json.decode(turn.seen.body)
        text = body["input"]
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            await turn.answer(b'{"error":{"message":"broken"}}', status=500)
            return
        self.asked.append(text)
        for ending in ENDINGS:
            text = text.removesuffix(ending)
        answers = [self.answer(question, text) for question in body["questions"]]
        usage = {
            "input_tokens": 50,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 50,
        }
        said = {"model": self.model, "answers": answers, "usage": usage}
        await turn.answer(msgspec.json.encode(said))

    def answer(self, question: Mapping[str, object], text: str) -> Mapping[str, object]:
        choices = question["choices"]
        assert isinstance(choices, list)
        values = [choice["value"] for choice in choices]
        chosen = self.labels.get(text, values[0])
        shares = [{"value": one, "probability": 1.0 if one == chosen else 0.0} for one in values]
        return {
            "type": "choice",
            "name": question.get("name"),
            "choice": chosen,
            "confidence": 1.0,
            "probabilities": shares,
        }


def lessons() -> list[tuple[str, str]]:
    """Give texts with their labels, in an order that mixes the labels."""
    rows = [row for row in read_rows(example_folder()) if row.label in LABELS]
    by_label = [[row for row in rows if row.label == label] for label in LABELS]
    return [(row.text, row.label) for several in zip(*by_label, strict=False) for row in several]


def learning_from(url: str, **learning: object) -> Config:
    """Configure a node whose route `decider` learns from the upstream at `url`."""
    route = {"upstreams": ["far"], "tasks": ["intent"], "learn": True}
    return {
        "upstreams": [upstream("far", url, timeouts=QUICK)],
        "routes": [
            {**route, "models": ["decider"], "cache": "off"},
            {**route, "models": ["cached"]},
        ],
        "tasks": {"intent": {"question": intent()}},
        "learning": {"max_error": 0.2, "audit_share": 0.2, "twice_share": 0.0, **learning},
    }


async def ask(
    gateway: Gateway, texts: Sequence[str], *, model: str = "decider", key: str | None = None
) -> list[str]:
    """Ask about texts one after another; gives where each answer came from."""
    sources = []
    for text in texts:
        body = {"model": model, "input": text, "questions": [intent()]}
        got = await gateway.send("decisions", body, key=key)
        assert got.status == 200, got.body
        sources.append(got.headers["x-tidegate-source"])
    return sources


async def settled(gateway: Gateway) -> None:
    """Return when what was seen has become rows."""
    learning = gateway.node.parts.learning
    await learning.collector.idle()
    await learning.collector.audits.join()
    await learning.keeper.write()


KEEP_ROWS = 10_000
LONG_AGO = 1_790_000_000.0

PEPPER = bytes(range(32))
"""Fixed, so that which row fits and which tests is the same in every run."""


def fresh_state(folder: Path) -> Path:
    """Make a state directory with the fixed pepper; gives the folder around it."""
    state = folder / "state"
    state.mkdir(mode=0o700, parents=True)
    (state / "pepper").touch(mode=0o600)
    (state / "pepper").write_bytes(PEPPER)
    return folder


async def labelled(folder: Path, url: str, ending: str = "") -> None:
    """Put all labels into the store at once: what is fitted and tested does not hang on time."""
    if not (folder / "state").exists():
        fresh_state(folder)
    file = folder / "tidegate.yaml"
    write_config(file, learning_from(url))
    configuration = load(file, {})
    (task,) = configuration.tasks
    assert task.question is not None
    owner, paths, keys = Owner("intent", TENANT), StatePaths(folder / "state"), derive(PEPPER)
    rows = []
    with ExitStack() as stack:
        encoder = open_encoder(stack, configuration, paths)
        for number, (text, label) in enumerate(lessons()):
            group = cluster(keys, text + ending)
            row = a_label(
                f"{number}{ending}/0",
                owner=owner,
                tenant=TENANT,
                label=label,
                vector=(await encoder.encode(text + ending)).vector,
                group=group,
                cluster=group,
                role=role(keys, group),
                upstream="far",
                model=Teacher.model,
                time=LONG_AGO + number,
                encoder=encoder.fingerprint,
                language=language(text),
            )
            rows.append(row)
    with closing(open_labels(paths, PEPPER, KEEP_ROWS)) as store:
        store.remember(owner, task.question)
        store.add(rows)


async def taught(folder: Path, teacher: Teacher) -> Path:
    """Teach a node until it answers itself; gives the folder whose state can be copied."""
    fresh_state(folder)
    async with scripted() as far:
        far.script = teacher
        config = learning_from(far.served.url)
        async with running_gateway(config, folder=folder) as gateway:
            # Once is enough, unless the learner looked just before the last rows came.
            for ending in ("", *ENDINGS):
                await ask(gateway, [text + ending for text, _ in lessons()])
                await settled(gateway)
                await learned_all(gateway)
                if is_serving(gateway):
                    break
            assert is_serving(gateway)
    return folder


async def learned_all(gateway: Gateway) -> None:
    """Return when neither guarantees nor labels give anything to do."""
    learning = gateway.node.parts.learning
    assert learning.look is not None
    assert learning.learn is not None
    while await learning.look() or await learning.learn():
        pass


@asynccontextmanager
async def serving_copy(
    learned: Path,
    folder: Path,
    teacher: Callable[[Turn], Awaitable[None]],
    *,
    tenants: Sequence[str] = (TENANT,),
    data: Config | None = None,
    **learning: object,
) -> AsyncIterator[Gateway]:
    """Run a node on a copy of what another one learned; `data` are settings of its listener."""
    shutil.copytree(learned / "state", folder / "state")
    async with scripted() as far:
        far.script = teacher
        config = learning_from(far.served.url, **learning)
        config["listeners"] = {"data": {"port": 0, **(data or {})}}
        async with running_gateway(config, folder=folder, tenants=tenants) as gateway:
            yield gateway


def is_serving(gateway: Gateway) -> bool:
    """Tell whether anything learned is answered here now."""
    return bool(gateway.node.generations.current.learned.tasks)
