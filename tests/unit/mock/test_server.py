import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import anthropic
import openai
import pytest

from tidegate.errors import ConfigError
from tidegate.mock.rules import Rules
from tidegate.mock.server import RunningMock, running_mock, serve
from tidegate.mock.settings import Settings

RULES = Rules({"cards": ["my card was charged twice"], "transfers": ["where is my transfer"]})
ASK = [{"role": "user", "content": "my card was charged"}]
TOOL = {
    "type": "object",
    "properties": {"queue": {"type": "string", "enum": ["cards", "transfers"]}},
}


@pytest.fixture
async def mock() -> AsyncIterator[RunningMock]:
    async with running_mock(Settings(latency_ms=0.0), rules=RULES) as running:
        yield running


@pytest.fixture
async def client(mock: RunningMock) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=mock.url, api_key="x", max_retries=0) as made:
        yield made


@pytest.fixture
async def claude(mock: RunningMock) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=mock.origin, api_key="x", max_retries=0) as made:
        yield made


async def chat(client: openai.AsyncOpenAI, **more: Any) -> Any:
    create = cast(Any, client.chat.completions.create)
    return await create(model="mock-large", messages=more.pop("messages", ASK), **more)


async def drained(stream: Any) -> None:
    async for _ in stream:
        pass


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        # The counters are values without events; each turn lets the server run.
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_whole_chat_answer_says_it_is_a_mock(client: openai.AsyncOpenAI) -> None:
    create = cast(Any, client.chat.completions.with_raw_response.create)
    raw = await create(model="mock-large", messages=ASK)
    answer = raw.parse()
    assert raw.headers["x-tidegate-mock"] == "true"
    assert answer.system_fingerprint == "tidegate-mock"
    assert "mock" in answer.choices[0].message.content
    assert answer.choices[0].message.content.endswith("nearest label is cards.")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_the_stream_says_the_same_as_the_whole_answer(client: openai.AsyncOpenAI) -> None:
    whole = await chat(client)
    stream = await chat(client, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert {chunk.system_fingerprint for chunk in chunks} == {"tidegate-mock"}


async def test_usage_is_streamed_only_when_asked_for(client: openai.AsyncOpenAI) -> None:
    chunks = [chunk async for chunk in await chat(client, stream=True)]
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called_and_its_result_answered_in_words(
    client: openai.AsyncOpenAI, *, stream: bool
) -> None:
    tools = [{"type": "function", "function": {"name": "route", "parameters": TOOL}}]
    answer = await chat(client, tools=tools, stream=stream)
    if stream:
        calls = [c.choices[0].delta.tool_calls async for c in answer if c.choices]
        call = next(found[0] for found in calls if found)
    else:
        assert answer.choices[0].finish_reason == "tool_calls"
        call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "route",
        {"queue": "cards"},
    )
    result = [*ASK, {"role": "tool", "tool_call_id": call.id, "content": "done"}]
    assert (await chat(client, tools=tools, messages=result)).choices[0].finish_reason == "stop"


async def test_a_named_or_forbidden_tool_is_heeded(client: openai.AsyncOpenAI) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("one", "two")]
    named = {"type": "function", "function": {"name": "two"}}
    answer = await chat(client, tools=tools, tool_choice=named)
    assert answer.choices[0].message.tool_calls[0].function.name == "two"
    assert (await chat(client, tools=tools, tool_choice="none")).choices[0].message.content


async def test_structured_output_fits_its_schema(client: openai.AsyncOpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "q", "schema": TOOL, "strict": True}}
    answer = await chat(client, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"queue": "cards"}


async def test_length_and_number_of_choices_are_heeded(client: openai.AsyncOpenAI) -> None:
    answer = await chat(client, max_tokens=3, n=2)
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage.completion_tokens == 6


async def test_image_parts_are_taken(client: openai.AsyncOpenAI) -> None:
    parts = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    assert (await chat(client, messages=[{"role": "user", "content": parts}])).choices


async def test_sizes_that_no_server_gives_are_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model="e", input="a", dimensions=81_031_678_754)
    with pytest.raises(openai.BadRequestError):
        await chat(client, n=1_000_000_000)


async def test_embeddings_depend_on_the_text_alone(client: openai.AsyncOpenAI) -> None:
    create = client.embeddings.create
    one = await create(model="e", input=["a", "b", "a"], dimensions=16)
    two = await create(model="e", input="a", dimensions=16, encoding_format="float")
    vectors = [row.embedding for row in one.data]
    assert vectors[0] == vectors[2] != vectors[1]
    assert vectors[0] == pytest.approx(two.data[0].embedding, abs=1e-6)
    assert (one.model, len(vectors[0])) == ("mock/e", 16)
    assert len((await create(model="e", input=[1, 2, 3])).data) == 1


async def test_decisions_follow_the_rules_in_the_sdks_types(client: openai.AsyncOpenAI) -> None:
    create = cast(Any, client.decisions.create)
    answer = await create(
        model="gpt-6-luna",
        input=[{"type": "message", "role": "user", "content": "card was charged twice"}],
        questions=[
            {
                "type": "choice",
                "name": "queue",
                "instructions": "Which queue?",
                "choices": [{"value": "transfers"}, {"value": "cards"}, {"value": True}],
            },
            {"type": "predicate", "name": "cards", "instructions": "About a card."},
            {"type": "predicate", "instructions": "The weather is fine today."},
            {
                "type": "score",
                "instructions": "How urgent?",
                "levels": [{"label": "later"}, {"label": "card charged twice"}],
            },
        ],
    )
    choice, card, weather, score = answer.answers
    assert (choice.name, choice.choice, len(choice.probabilities)) == ("queue", "cards", 3)
    assert card.probability > 0.9
    assert weather.probability < 0.5
    assert score.score > 0.9
    assert answer.model == "mock/gpt-6-luna"
    assert answer.usage.total_tokens == answer.usage.input_tokens


async def test_anthropic_whole_and_streamed_answers_agree(claude: anthropic.AsyncAnthropic) -> None:
    ask = cast(Any, ASK)
    whole = await claude.messages.create(model="m", max_tokens=99, system="s", messages=ask)
    async with claude.messages.stream(model="m", max_tokens=99, system="s", messages=ask) as stream:
        streamed = await stream.get_final_message()
    assert cast(Any, whole.content[0]).text == cast(Any, streamed.content[0]).text
    assert cast(Any, whole.content[0]).text.startswith("[mock] ")
    assert (whole.stop_reason, whole.usage.output_tokens) == (
        "end_turn",
        streamed.usage.output_tokens,
    )
    assert whole.id.startswith("msg_mock_")


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "route"}])
async def test_anthropic_tools_are_called(
    claude: anthropic.AsyncAnthropic, choice: dict[str, str]
) -> None:
    more = cast(Any, {"tools": [{"name": "route", "input_schema": TOOL}], "tool_choice": choice})
    async with claude.messages.stream(
        model="m", max_tokens=99, messages=cast(Any, ASK), **more
    ) as stream:
        answer = await stream.get_final_message()
    call = cast(Any, answer.content[0])
    assert (answer.stop_reason, call.name, call.input) == ("tool_use", "route", {"queue": "cards"})
    result = [{"type": "tool_result", "tool_use_id": call.id, "content": "done"}]
    after = cast(Any, [*ASK, {"role": "user", "content": result}])
    assert (
        await claude.messages.create(model="m", max_tokens=9, messages=after, **more)
    ).stop_reason


async def test_models_are_listed_in_both_dialects(
    client: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    one = [model.id for model in (await client.models.list()).data]
    two = [model.id for model in (await claude.models.list()).data]
    assert one == two
    assert "mock-large" in one


async def test_errors_come_as_set_in_the_dialect_asked(
    mock: RunningMock, client: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
) -> None:
    mock.control(status=429, retry_after_s=7)
    with pytest.raises(openai.RateLimitError) as one:
        await chat(client)
    with pytest.raises(anthropic.RateLimitError) as two:
        await claude.messages.create(model="m", max_tokens=9, messages=cast(Any, ASK))
    assert one.value.response.headers["retry-after"] == "7"
    assert cast(Any, two.value.body)["error"]["type"] == "rate_limit_error"
    mock.control(status=None, error_rate=1.0)
    with pytest.raises(openai.InternalServerError):
        await chat(client)


async def test_down_resets_connections_until_it_is_up_again(
    mock: RunningMock, client: openai.AsyncOpenAI
) -> None:
    mock.control(down=True)
    with pytest.raises(openai.APIConnectionError):
        await chat(client)
    mock.control(down=False)
    assert (await chat(client)).choices


async def test_going_down_breaks_off_open_streams(
    mock: RunningMock, client: openai.AsyncOpenAI
) -> None:
    mock.control(gap_ms=1.0)
    stream = await chat(client, stream=True)
    await anext(aiter(stream))
    mock.control(down=True)
    with pytest.raises(openai.APIConnectionError):
        await drained(stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_can_be_cut(
    mock: RunningMock, client: openai.AsyncOpenAI, *, stream: bool
) -> None:
    mock.control(cut_after=3)
    with pytest.raises(openai.APIConnectionError):
        await drained(await chat(client, stream=stream))


async def test_an_answer_can_be_malformed_or_an_error_with_200(
    mock: RunningMock, client: openai.AsyncOpenAI
) -> None:
    mock.control(body="malformed")
    with pytest.raises(json.JSONDecodeError):
        await chat(client)
    mock.control(body="error")
    assert (await chat(client)).error["type"] == "server_error"


@pytest.mark.parametrize("body", [b"", b"{", b'{"model": 1}', b'{"model": "m"}'])
async def test_a_bad_body_is_a_400(client: openai.AsyncOpenAI, body: bytes) -> None:
    for path in ("/chat/completions", "/messages", "/embeddings", "/decisions"):
        with pytest.raises(openai.BadRequestError):
            await client.post(path, content=body, cast_to=object)


async def test_an_unknown_path_is_a_404(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.get("/nothing", cast_to=object)


async def test_control_and_counts_work_over_http(
    mock: RunningMock, client: openai.AsyncOpenAI
) -> None:
    at = client.with_options(base_url=mock.origin)
    await chat(client)
    set_to = cast(Any, await at.post("/mock/control", body={"error_rate": 0.5}, cast_to=object))
    assert set_to["error_rate"] == 0.5
    assert cast(Any, await at.get("/mock/control", cast_to=object)) == set_to
    counts = cast(Any, await at.get("/mock/calls", cast_to=object))
    assert counts == {"calls": {"/v1/chat/completions": 1}, "clients_left": 0}
    for wrong in ({"error_rate": 2}, {"nothing": 1}, {"latency_ms": "slow"}):
        with pytest.raises(openai.BadRequestError):
            await at.post("/mock/control", body=wrong, cast_to=object)
    assert mock.settings.error_rate == 0.5


async def test_a_client_that_leaves_is_noticed(
    mock: RunningMock, client: openai.AsyncOpenAI
) -> None:
    mock.control(latency_ms=60_000)
    waiting = asyncio.create_task(chat(client))
    await until(lambda: mock.calls()["calls"])
    waiting.cancel()
    await until(lambda: mock.calls()["clients_left"])


async def test_the_same_seed_fails_the_same_calls() -> None:
    async def outcomes() -> list[bool]:
        settings = Settings(latency_ms=0.0, error_rate=0.5)
        found: list[bool] = []
        async with (
            running_mock(settings, seed=7) as mock,
            openai.AsyncOpenAI(base_url=mock.url, api_key="x", max_retries=0) as client,
        ):
            for _ in range(12):
                try:
                    await chat(client)
                    found.append(True)
                except openai.InternalServerError:
                    found.append(False)
        return found

    first = await outcomes()
    assert first == await outcomes()
    assert True in first
    assert False in first


async def test_a_stopped_mock_refuses_and_starts_again_at_its_port() -> None:
    running = await serve(Settings(latency_ms=0.0))
    await running.stop()
    await running.stop()
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", running.port)),
    ):
        pass
    again = await serve(Settings(latency_ms=0.0), running.port)
    assert again.url == running.url
    await again.stop()


async def test_a_taken_port_is_a_config_error(mock: RunningMock) -> None:
    with pytest.raises(ConfigError, match="--port"):
        await serve(port=mock.port)
