import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.gateway.fakes import ManualClock
from tidegate.domain.encoding import Encoding, StaticEncoding, TokenStates, Wants
from tidegate.errors import EngineOverloaded
from tidegate.gateway.encodings import Encodings


class FakeEncoder:
    """Implements `ports.Encoder`: counts what it is asked, and how much at the same time."""

    name = "fake"
    fingerprint = "f" * 64
    dimensions = 2
    allowed_dimensions: Sequence[int] = (2,)
    max_tokens = 8
    most_windows = 4

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self.asked: list[tuple[str, Wants]] = []
        self.deadlines: set[float | None] = set()
        self.busy = self.busiest = 0

    async def encode(
        self, text: str, deadline: float | None = None, *, wants: Wants = "vector"
    ) -> Encoding:
        if text == "too much":
            raise EngineOverloaded("fake", 1)
        self.asked.append((text, wants))
        self.deadlines.add(deadline)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(0)
        self.busy -= 1
        states = np.ones((len(text), 2), np.float32)
        tokens = TokenStates(states, ()) if wants == "tokens" else None
        vector = np.full(2, len(text), np.float32)
        return Encoding(vector, len(text), is_truncated=False, queue_s=0.5, tokens=tokens)


def holder(encoder: FakeEncoder, clock: ManualClock | None = None) -> Encodings:
    return Encodings(encoder, 130.0, clock or ManualClock())


class FakeTable:
    """Implements `ports.StaticTable`: counts what it is asked."""

    name, fingerprint, dimensions = "table", "t" * 64, 2

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[str] = []

    def embed(self, text: str) -> StaticEncoding | None:
        self.asked.append(text)
        self.clock.advance(0.25)
        return None if text == "long" else StaticEncoding(np.ones(2, np.float32), 4)


async def test_a_text_is_encoded_once_whoever_asks() -> None:
    encoder = FakeEncoder()
    encodings = holder(encoder)
    first = await encodings.of("hello")
    assert await encodings.of("hello") is first
    assert await encodings.each(["hello", "you"], lambda one: one.token_count) == [5, 3]
    assert encoder.asked == [("hello", "vector"), ("you", "vector")]
    assert encodings.windows == 2
    assert encoder.deadlines == {130.0}


async def test_token_states_are_fetched_when_they_are_wanted_and_serve_both() -> None:
    encoder = FakeEncoder()
    encodings = holder(encoder)
    assert (await encodings.of("hello")).tokens is None
    assert (await encodings.of("hello", "tokens")).tokens is not None
    assert (await encodings.of("hello")).tokens is not None
    assert encoder.asked == [("hello", "vector"), ("hello", "tokens")]


@pytest.mark.parametrize("threads", [1, 2, 3])
async def test_no_more_are_under_way_than_the_encoder_has_threads(threads: int) -> None:
    encoder = FakeEncoder(threads)
    texts = [f"{'x' * i}" for i in range(1, 9)]
    assert await holder(encoder).each(texts, lambda one: one.token_count) == list(range(1, 9))
    assert encoder.busiest == threads


async def test_what_is_made_of_a_repeated_text_is_made_once() -> None:
    made = []

    def use(one: Encoding) -> int:
        made.append(one)
        return one.token_count

    assert await holder(FakeEncoder(2)).each(["a", "bb", "a", "a"], use) == [1, 2, 1, 1]
    assert len(made) == 2


@pytest.mark.parametrize("threads", [1, 2])
async def test_an_error_reaches_the_caller_as_it_is(threads: int) -> None:
    with pytest.raises(EngineOverloaded):
        await holder(FakeEncoder(threads)).each(["a", "too much", "b"], id)


async def test_time_is_parted_between_queue_and_engine() -> None:
    clock = ManualClock()
    encodings = holder(FakeEncoder(), clock)

    def use(_one: Encoding) -> None:
        clock.advance(2.0)

    await encodings.each(["a", "b"], use)
    assert (encodings.queue_s, encodings.local_s) == (1.0, 3.0)


def test_static_embeddings_read_a_text_once_and_their_time_counts() -> None:
    clock = ManualClock()
    table = FakeTable(clock)
    encodings = Encodings(FakeEncoder(), 130.0, clock, table)

    first = encodings.static_of("hello")

    assert first is not None
    assert encodings.static_of("hello") is first
    assert [encodings.static_of("long") for _ in range(2)] == [None, None]
    assert table.asked == ["hello", "long"]
    assert (encodings.local_s, encodings.windows) == (0.5, 0)


def test_without_static_embeddings_the_encoder_looks() -> None:
    assert holder(FakeEncoder()).static_of("hello") is None
