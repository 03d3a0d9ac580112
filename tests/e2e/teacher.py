"""An upstream that knows the right answer to every text, and a stream of texts to ask about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tests.contract.servers import Turn
from tests.e2e.bundle import LABELS, intent
from tests.e2e.harness import Config, Gateway, upstream
from tests.e2e.tiers import QUICK
from tidegate.demo.rows import example_folder, read_rows


@dataclass
class Teacher:
    """Labels texts as a table says; what it is not told it calls the first choice."""

    labels: Mapping[str, str]
    model: str = "far-decider"
    asked: list[str] = field(default_factory=list)

    async def __call__(self, turn: Turn) -> None:
        body = msgspec.json.decode(turn.seen.body)
        text = body["input"]
        self.asked.append(text)
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
    return {
        "upstreams": [upstream("far", url, timeouts=QUICK)],
        "routes": [
            {
                "models": ["decider"],
                "upstreams": ["far"],
                "tasks": ["intent"],
                "learn": True,
                "cache": "off",
            }
        ],
        "tasks": {"intent": {"question": intent(None)}},
        "learning": {"max_error": 0.1, "audit_share": 0.2, "twice_share": 0.0, **learning},
    }


async def ask(gateway: Gateway, texts: Sequence[str]) -> list[str]:
    """Ask about texts one after another; gives where each answer came from."""
    sources = []
    for text in texts:
        body = {"model": "decider", "input": text, "questions": [intent()]}
        got = await gateway.send("decisions", body)
        assert got.status == 200, got.body
        sources.append(got.headers["x-tidegate-source"])
    return sources


async def settled(gateway: Gateway) -> None:
    """Return when what was seen has become rows."""
    learning = gateway.node.parts.learning
    await learning.collector.idle()
    await learning.keeper.write()
