"""A chat route whose requests are a question: learned, and answered as the upstream answers."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tests.contract.servers import Turn
from tests.e2e.harness import TENANT, Config, Gateway, running_gateway, upstream
from tests.e2e.teacher import ENDINGS, LABELS, fresh_state, learned_all, lessons, settled
from tests.e2e.tiers import QUICK, scripted
from tests.e2e.waiting import until
from tidegate.adapters.record_reader import open_records
from tidegate.tasks.chat_question import OTHER
from tidegate.wire.chat_replay import replay_chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

LESSONS = dict(lessons())
TEXTS = list(LESSONS)
SCHEMA = {
    "type": "object",
    "properties": {"topic": {"type": "string", "enum": list(LABELS)}},
    "required": ["topic"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": SCHEMA}}


@dataclass
class Sorter:
    """Answers chat requests as its table says, in JSON with a space, or bare for the template."""

    says: str | None = None
    """What it says instead."""
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, turn: Turn) -> None:
        body = msgspec.json.decode(turn.seen.body)
        self.asked.append(body)
        text = body["messages"][-1]["content"].removeprefix("Sort: ")
        for ending in ENDINGS:
            text = text.removesuffix(ending)
        label = LESSONS.get(text, LABELS[0])
        bare = "response_format" not in body
        content = self.says or (label if bare else f'{{"topic": "{label}"}}')
        answer = msgspec.json.encode(completion(content))
        if not body.get("stream"):
            await turn.answer(answer)
            return
        await turn.stream(*[event.raw for event in replay_chat(answer, include_usage=True)])


def completion(content: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "refusal": None,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 90, "completion_tokens": 6, "total_tokens": 96}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "sorter-2026-01-01",
        "choices": [choice],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def config(url: str, **learning: object) -> Config:
    route = {"upstreams": ["far"], "learn": True}
    template = {"pattern": "(?s)Sort: (.*)", "labels": list(LABELS)}
    return {
        "upstreams": [upstream("far", url, timeouts=QUICK)],
        "routes": [
            {**route, "models": ["sorter"]},
            {**route, "models": ["plain"], "template": template},
            {**route, "models": ["cached"], "cache": "on"},
        ],
        "learning": {"max_error": 0.2, "audit_share": 0.2, "twice_share": 0.0, **learning},
    }


def question(text: str, **fields: Any) -> dict[str, Any]:
    if fields.get("model") == "plain":
        return {"messages": [{"role": "user", "content": f"Sort: {text}"}], **fields}
    messages = [{"role": "system", "content": "Sort."}, {"role": "user", "content": text}]
    return {"model": "sorter", "messages": messages, "response_format": FORM, **fields}


async def ask(gateway: Gateway, texts: Sequence[str], **fields: Any) -> list[tuple[str, Any]]:
    """Ask about each text; gives where each answer came from, and the answer."""
    answers = []
    for text in texts:
        got = await gateway.send("/v1/chat/completions", question(text, **fields))
        assert got.status == 200, got.body
        answers.append((got.headers["x-tidegate-source"], msgspec.json.decode(got.body)))
    return answers


def sources(answers: Sequence[tuple[str, Any]]) -> list[str]:
    return [source for source, _ in answers]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which the questions of both routes are granted."""
    folder = fresh_state(tmp_path_factory.mktemp("learned"))
    async with scripted() as far:
        far.script = Sorter()
        async with running_gateway(config(far.served.url), folder=folder) as gateway:
            models = "sorter", "plain"
            for model in models:
                assert set(sources(await ask(gateway, TEXTS[:10], model=model))) == {"upstream"}
            # Once is enough, unless the learner looked just before the last rows came.
            for ending in ("", *ENDINGS):
                texts = [text + ending for text in TEXTS]
                await asyncio.gather(*(ask(gateway, texts, model=model) for model in models))
                await settled(gateway)
                await learned_all(gateway)
                if serving_now(gateway) == len(models):
                    break
            assert serving_now(gateway) == len(models)
    return folder


def serving_now(gateway: Gateway) -> int:
    """Count the questions that are answered here now."""
    return len(gateway.node.generations.current.learned.tasks)


@asynccontextmanager
async def serving(
    learned: Path, folder: Path, sorter: Sorter, **learning: object
) -> AsyncIterator[Gateway]:
    shutil.copytree(learned / "state", folder / "state")
    async with scripted() as far:
        far.script = sorter
        made = config(far.served.url, **learning)
        async with running_gateway(made, folder=folder) as gateway:
            yield gateway


async def test_the_local_share_grows_and_answers_look_like_the_upstreams(
    learned: Path, tmp_path: Path
) -> None:
    sorter = Sorter()
    async with serving(learned, tmp_path, sorter, audit_share=0.0001) as gateway:
        answers = await ask(gateway, TEXTS[:100])

        # How the upstream writes is not known before it has answered once.
        assert answers[0][0] == "upstream"
        assert sources(answers).count("local") > 60
        assert sources(answers).count("upstream") == len(sorter.asked)
        # Counted are those that clients got, not what a head thought before the form was known.
        learning = gateway.node.parts.learning
        await learning.tally.write()
        (given,) = learning.guarantees.all_answers().values()
        assert given >= sources(answers).count("local")
        right = 0
        for text, (source, answer) in zip(TEXTS, answers, strict=False):
            content = answer["choices"][0]["message"]["content"]
            right += content == f'{{"topic": "{LESSONS[text]}"}}'
            if source == "local":
                own = {"id": answer["id"], "created": answer["created"], "usage": answer["usage"]}
                assert answer == {**completion(content), **own}
                assert list(answer) == list(completion(content))
                assert answer["usage"]["prompt_tokens"] > 0
        assert right >= 80


async def test_the_sdk_sees_no_difference_whole_or_streamed(learned: Path, tmp_path: Path) -> None:
    async with (
        serving(learned, tmp_path, Sorter(), audit_share=0.0001) as gateway,
        AsyncOpenAI(api_key=gateway.key, base_url=f"{gateway.base_url}/v1") as client,
    ):
        await ask(gateway, TEXTS[:1])
        came: set[str] = set()
        for text in TEXTS[:40]:
            raw = await client.chat.completions.with_raw_response.create(**question(text))
            whole = raw.parse()
            came.add(raw.headers["x-tidegate-source"])
            assert whole.model == "sorter-2026-01-01"
            assert whole.choices[0].finish_reason == "stop"
            assert msgspec.json.decode(whole.choices[0].message.content or "")["topic"] in LABELS
        assert "local" in came
        streams: dict[str, tuple[int, str, str]] = {}
        for text in TEXTS[:40]:
            opened = await client.chat.completions.with_raw_response.create(
                **question(text, stream=True, stream_options={"include_usage": True})
            )
            chunks = [chunk async for chunk in opened.parse()]
            said = "".join(
                chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices
            )
            assert msgspec.json.decode(said)["topic"] in LABELS
            assert chunks[-1].usage is not None
            source = opened.headers["x-tidegate-source"]
            streams[source] = (len(chunks), chunks[0].model, said[:11])
        assert streams["local"] == streams["upstream"]


async def test_audits_ask_the_whole_request_and_store_nothing(
    learned: Path, tmp_path: Path
) -> None:
    sorter = Sorter()
    async with serving(learned, tmp_path, sorter, audit_share=1) as gateway:
        await ask(gateway, TEXTS[:1])
        came = sources(await ask(gateway, TEXTS[1:21], stream=None))
        await settled(gateway)

        audits = [body for body in sorter.asked if "store" in body]
        assert len(audits) == came.count("local") > 5
        assert all(body["store"] is False and "stream" not in body for body in audits)
        assert all(body["response_format"] == FORM for body in audits)
        paths = gateway.node.parts.paths
        with open_records(paths.ledger, paths.journal) as found:
            records = list(found.tail(100))
        assert [record.kind for record in records].count("audit") == len(audits)
        assert {record.surface for record in records} == {"chat"}


async def test_an_upstream_that_leaves_its_labels_suspends(learned: Path, tmp_path: Path) -> None:
    sorter = Sorter()
    async with serving(learned, tmp_path, sorter, audit_share=1) as gateway:
        await ask(gateway, TEXTS[:1])
        sorter.says = "I would rather not say."
        await ask(gateway, TEXTS[1:60])
        await settled(gateway)
        await until(lambda: serving_now(gateway) == 1)

        assert set(sources(await ask(gateway, TEXTS[:10]))) == {"upstream"}
        verdicts = gateway.node.generations.current.learned.verdicts.values()
        (reason,) = [one.reason for one in verdicts if one.state == "suspended"]
        assert "disagree" in reason


async def test_a_template_is_learned_with_bare_labels(learned: Path, tmp_path: Path) -> None:
    async with serving(learned, tmp_path, Sorter(), audit_share=0.0001) as gateway:
        answers = await ask(gateway, TEXTS[:60], model="plain")
        assert sources(answers).count("local") > 30
        assert {answer["choices"][0]["message"]["content"] for _, answer in answers} <= set(LABELS)


async def test_a_repeat_from_the_cache_is_a_delivered_answer(tmp_path: Path) -> None:
    async with scripted() as far:
        sorter = far.script = Sorter()
        async with running_gateway(config(far.served.url), folder=tmp_path) as gateway:
            cached = question(TEXTS[0], model="cached", stream=True, temperature=0)
            for _ in range(2):
                got = await gateway.send("/v1/chat/completions", cached)
                assert got.status == 200
            assert got.headers["x-tidegate-source"] == "cache"
            assert len(sorter.asked) == 1
            await settled(gateway)
            keeper = gateway.node.parts.learning.keeper
            (owner,) = keeper.questions
            encoder = gateway.node.parts.encoder.fingerprint
            rows = await keeper.use(lambda store: store.rows(owner, encoder))
            assert [row.label for row in rows] == [LESSONS[TEXTS[0]]] * 2


async def test_what_is_more_than_a_question_is_forwarded_and_not_kept(tmp_path: Path) -> None:
    async with scripted() as far:
        far.script = Sorter()
        async with running_gateway(config(far.served.url), folder=tmp_path) as gateway:
            tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
            await ask(gateway, TEXTS[:3], tools=[tool])
            await ask(gateway, TEXTS[:3], n=1, logprobs=True)
            await settled(gateway)
            assert not gateway.node.parts.learning.keeper.questions


async def test_each_way_of_asking_becomes_one_task_of_its_tenant(tmp_path: Path) -> None:
    async with scripted() as far:
        sorter = far.script = Sorter()
        async with running_gateway(config(far.served.url), folder=tmp_path) as gateway:
            await ask(gateway, TEXTS[:2])
            await gateway.send("/v1/chat/completions", question(TEXTS[2], stream=True))
            sorter.says = "no label"
            await ask(gateway, TEXTS[3:4])
            await settled(gateway)
            keeper = gateway.node.parts.learning.keeper
            (owner,) = keeper.questions
            assert (owner.tenant, owner.task[:5]) == (TENANT, "auto-")
            encoder = gateway.node.parts.encoder.fingerprint
            rows = await keeper.use(lambda store: store.rows(owner, encoder))
            assert [row.label for row in rows] == [*(LESSONS[one] for one in TEXTS[:3]), OTHER]
            assert {row.model for row in rows} == {"sorter-2026-01-01"}
