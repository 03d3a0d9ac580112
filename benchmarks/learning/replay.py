"""One replay: a real node on loopback that starts with nothing, a teacher behind it, one stream.

Where real traffic takes weeks the replay takes minutes, so it lets the learner finish after each
block of requests: what is measured is what labels are worth, not how fast this machine fits.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.harness.errors import BenchmarkError
from benchmarks.learning.teacher import Teacher, teaching
from tidegate.adapters.logs.memory import MemoryLog
from tidegate.adapters.stores.key_file import KeyFile
from tidegate.config.configuration import Configuration
from tidegate.config.load import check_text
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.identity import DEFAULT_SCOPES, Identity
from tidegate.domain.key import KeyRow
from tidegate.learning.rows import Row
from tidegate.node.node import Node
from tidegate.node.single import running_node
from tidegate.policy.keys import RANDOM_BYTES, hash_key, key_id, make_key

TENANT = "bench"
BLOCK = 200
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Case:
    """What is replayed."""

    name: str
    rows: Sequence[Row]
    alpha: float
    noise: float
    seed: int
    secret: int = 0
    """Seed of the node's pepper, which decides which rows fit, calibrate and test."""


@dataclass(slots=True)
class Outcome:
    """What came out."""

    case: Case
    is_local: list[bool] = field(default_factory=list)
    """In the order of the stream."""
    is_wrong: list[bool] = field(default_factory=list)
    """Against gold, whoever answered."""
    first_grant: int | None = None
    """Requests until something was answered here."""
    verdict: Guarantee | None = None
    calls: int = 0
    """That the teacher answered, audits and repeats included."""

    def share(self, first: float = 0.0) -> float:
        """Share answered here, from this part of the stream on."""
        part = self.is_local[int(first * len(self.is_local)) :]
        return sum(part) / max(len(part), 1)

    @property
    def local(self) -> int:
        """Answers given here."""
        return sum(self.is_local)

    @property
    def disagreement(self) -> float:
        """Share of local answers that are not gold."""
        wrong = sum(w for w, here in zip(self.is_wrong, self.is_local, strict=True) if here)
        return wrong / max(self.local, 1)


def replay(case: Case) -> Outcome:
    """Run one case."""
    return asyncio.run(_replay(case))


async def _replay(case: Case) -> Outcome:
    teacher = Teacher(
        {row.text: str(row.label) for row in case.rows}, noise=case.noise, seed=case.seed
    )
    outcome = Outcome(case)
    with tempfile.TemporaryDirectory(prefix="learn-") as name:
        folder = Path(name)
        async with teaching(teacher) as url:
            configuration = _configuration(case, url)
            key = _key(folder, case.secret)
            async with (
                running_node(configuration, folder, MemoryLog(), lambda: configuration) as node,
                aiohttp.ClientSession() as http,
            ):
                client = _Client(http, node.port, key, case)
                for start in range(0, len(case.rows), BLOCK):
                    block = case.rows[start : start + BLOCK]
                    for row, (label, is_local) in zip(block, await client.ask(block), strict=True):
                        outcome.is_local.append(is_local)
                        outcome.is_wrong.append(label != row.label)
                    await _learned(node)
                    if outcome.first_grant is None and node.generations.current.learned.tasks:
                        outcome.first_grant = start + len(block)
                verdicts = await node.parts.learning.verdicts()
                outcome.verdict = next(iter(verdicts.values()), None)
    outcome.calls = teacher.calls
    return outcome


async def _learned(node: Node) -> None:
    """Return when what was seen has become rows and the learner has nothing to do."""
    learning = node.parts.learning
    await learning.collector.idle()
    await learning.collector.audits.join()
    await learning.keeper.write()
    if learning.look is None or learning.learn is None:
        raise BenchmarkError("the node does not learn")
    while await learning.look() or await learning.learn():
        pass


class _Client:
    """Asks about a block of texts, a few at a time."""

    def __init__(self, http: aiohttp.ClientSession, port: int, key: str, case: Case) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}/v1/decisions"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        labels = sorted({str(row.label) for row in case.rows})
        self._question = {**_question(labels), "name": "intent"}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def ask(self, rows: Sequence[Row]) -> list[tuple[str, bool]]:
        """Give each row's answer, and whether it was made here."""
        return list(await asyncio.gather(*(self._one(row) for row in rows)))

    async def _one(self, row: Row) -> tuple[str, bool]:
        body = {"model": "decider", "input": row.text, "questions": [self._question]}
        async with (
            self._at_once,
            self._http.post(
                self._url, data=msgspec.json.encode(body), headers=self._headers
            ) as response,
        ):
            said = msgspec.json.decode(await response.read())
            if response.status != 200:
                raise BenchmarkError(f"the node answered {response.status}: {said}")
            is_local = response.headers["x-tidegate-source"] == "local"
        return said["answers"][0]["choice"], is_local


def _question(labels: Sequence[str]) -> Mapping[str, object]:
    return {
        "type": "choice",
        "instructions": "What does the user want?",
        "choices": [{"value": label} for label in labels],
    }


def _configuration(case: Case, url: str) -> Configuration:
    labels = sorted({str(row.label) for row in case.rows})
    written = {
        "node": {"tier": "pop", "region": "eu-west", "zone": "eu"},
        "listeners": {"data": {"port": 0}},
        "tenants": [{"name": TENANT}],
        "upstreams": [
            {
                "name": "teacher",
                "kind": "openai",
                "base_url": url,
                "proxy": "none",
                "tier": "central",
                "region": "us-east",
                "zone": "us",
            }
        ],
        "routes": [
            {
                "models": ["decider"],
                "upstreams": ["teacher"],
                "tasks": ["intent"],
                "learn": True,
                "cache": "off",
            }
        ],
        "tasks": {"intent": {"question": _question(labels)}},
        "learning": {"max_error": case.alpha, "audits_per_day": 1_000_000},
    }
    checked = check_text(msgspec.json.encode(written), None, {}, folder=Path())
    if checked.configuration is None:
        raise BenchmarkError(f"the configuration is wrong: {checked.problems}")
    return checked.configuration


def _key(state: Path, secret: int) -> str:
    """Make a key as `tidegate keys create` does, but for where the pepper comes from."""
    keys = KeyFile(state / "keys.json", state / "pepper", random.Random(secret).randbytes)
    key = make_key(os.urandom(RANDOM_BYTES))
    digest = hash_key(keys.load().pepper, key)
    identity = Identity(TENANT, key_id(digest), "client", frozenset(DEFAULT_SCOPES))
    keys.add(KeyRow(identity, digest, created=time.time()))
    return key
