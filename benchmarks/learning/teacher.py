"""The upstream of the replay: it knows every label, and is told how often to say another."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

MODEL = "teacher-1"
_USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 40,
}


class Teacher:
    """Answers choices by a table; with `noise`, a label drawn anew for that share of calls."""

    def __init__(self, labels: Mapping[str, str], *, noise: float, seed: int) -> None:
        """`labels` is the gold label of each text."""
        self._labels = labels
        self._noise = noise
        self._draws = random.Random(seed)
        self.calls = 0

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer one call of `POST /v1/decisions`."""
        body = msgspec.json.decode(await request.read())
        self.calls += 1
        answers = [self._answer(question, body["input"]) for question in body["questions"]]
        said = {"model": MODEL, "answers": answers, "usage": _USAGE}
        return web.Response(body=msgspec.json.encode(said), content_type="application/json")

    def _answer(self, question: Mapping[str, object], text: str) -> Mapping[str, object]:
        choices = question["choices"]
        assert isinstance(choices, list)
        values: Sequence[str] = [choice["value"] for choice in choices]
        chosen = self._labels[text]
        if self._draws.random() < self._noise:
            chosen = self._draws.choice(values)
        shares = [{"value": one, "probability": float(one == chosen)} for one in values]
        return {
            "type": "choice",
            "name": question.get("name"),
            "choice": chosen,
            "confidence": 1.0,
            "probabilities": shares,
        }


@asynccontextmanager
async def teaching(teacher: Teacher) -> AsyncIterator[str]:
    """Serve on a loopback port for the length of a block; gives the base URL."""
    app = web.Application()
    app.router.add_post("/v1/decisions", teacher)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()
