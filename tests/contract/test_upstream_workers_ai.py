"""What is particular to Workers AI: its own text shape, embeddings, Clef, paths and errors."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.contract.servers import Turn, serving
from tests.contract.upstreams import answering, chat_call, collect, fail, streaming, upstream
from tidegate.errors import (
    UpstreamCut,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
)
from tidegate.ports.upstream import UpstreamCall
from tidegate.wire.decisions import read_questions
from tidegate.wire.decisions_prompt import option_codes

GOLDEN = Path(__file__).parents[1] / "wire" / "golden" / "workers_ai"
MODEL = "@cf/meta/llama-3.1-8b-instruct"
DECISIONS: dict[str, object] = {
    "model": "alias",
    "input": "hello, charged twice",
    "questions": [
        {"type": "predicate", "instructions": "Money is asked back."},
        {
            "type": "choice",
            "instructions": "Which queue?",
            "choices": [{"value": "cards"}, {"value": True}],
        },
        {
            "type": "score",
            "instructions": "How urgent?",
            "levels": [{"label": "can wait"}, {"label": "today"}, {"label": "now"}],
        },
    ],
}


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def embeddings_call(**body: object) -> UpstreamCall:
    asked = {"model": "alias", "input": ["hello", "there"], **body}
    return replace(chat_call(), surface="embeddings", body=msgspec.json.encode(asked), model=MODEL)


def decisions_call(**body: object) -> UpstreamCall:
    asked = msgspec.json.encode({**DECISIONS, **body})
    return replace(chat_call(), surface="decisions", body=asked, model="@cf/cloudflare/clef-flash")


async def test_a_text_in_its_own_shape_becomes_a_chat_completion() -> None:
    call = replace(chat_call(), model=MODEL)
    async with (
        serving(answering(golden("text.json"))) as served,
        upstream("workers_ai", served) as far,
    ):
        answer = await far.call(call)
    body = msgspec.json.decode(answer.body)
    assert served.seen[0].target == f"/v1/accounts/acc0/ai/run/{MODEL}"
    assert served.seen[0].headers["authorization"] == "Bearer sk-operator"
    assert body["id"] == "req-1"
    assert body["model"] == answer.model == MODEL
    assert body["choices"][0]["message"]["content"] == "Hi there"


async def test_what_the_hub_cannot_hold_is_named() -> None:
    async with (
        serving(answering(golden("text.json"))) as served,
        upstream("workers_ai", served) as far,
    ):
        answer = await far.call(chat_call(body={"seed": 7}))
    assert "seed" in answer.lossy
    assert msgspec.json.decode(served.seen[0].body)["max_tokens"] == 2048


async def test_a_text_in_its_own_shape_streams_as_chunks() -> None:
    async with (
        serving(streaming(golden("text.sse"))) as served,
        upstream("workers_ai", served) as far,
    ):
        stream, raw = await collect(far, replace(chat_call(stream=True), model=MODEL))
    assert b'"content":"7"' in raw
    assert b'"prompt_tokens":21' in raw
    assert raw.endswith(b"data: [DONE]\n\n")
    assert stream.model == MODEL


async def test_messages_are_answered_in_their_dialect() -> None:
    body = {"model": "a", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    call = replace(chat_call(), dialect="anthropic", body=msgspec.json.encode(body))
    async with (
        serving(answering(golden("tools.json"))) as served,
        upstream("workers_ai", served) as far,
    ):
        answer = msgspec.json.decode((await far.call(call)).body)
    assert answer["type"] == "message"
    assert [block["id"] for block in answer["content"]] == ["call_req-1_0", "call_req-1_1"]
    assert answer["stop_reason"] == "tool_use"


async def test_an_error_event_before_the_end_is_malformed() -> None:
    script = streaming(b'data: {"response":"Hi"}\n\n', b"data: " + golden("no_model.json") + b"\n")
    error = await fail("workers_ai", script, chat_call(stream=True))
    assert isinstance(error, UpstreamMalformed)


async def test_a_stream_in_its_own_shape_that_stops_early_is_cut() -> None:
    script = streaming(b'data: {"response":"Hi"}\n\n')
    assert isinstance(await fail("workers_ai", script, chat_call(stream=True)), UpstreamCut)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_is_not_there_lets_the_next_tier_be_asked(*, stream: bool) -> None:
    script = answering(golden("no_model.json"), 400, extra="Retry-After: 7\r\n")
    error = await fail("workers_ai", script, chat_call(stream=stream))
    assert isinstance(error, UpstreamStatus)
    assert error.status == 404
    assert error.retry_after_s == 7
    assert msgspec.json.decode(error.body)["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("surface", ["chat", "embeddings", "decisions"])
async def test_a_200_that_is_no_success_is_malformed(surface: str) -> None:
    calls = {"chat": chat_call(), "embeddings": embeddings_call(), "decisions": decisions_call()}
    error = await fail("workers_ai", answering(golden("no_model.json")), calls[surface])
    assert isinstance(error, UpstreamMalformed)


@pytest.mark.parametrize(
    "model",
    ["../../zones", "@cf/../../x", "@cf//x", "a/./b", "", "a b", "a?x=1", "a#b", "/a", "a/"],
)
@pytest.mark.parametrize("surface", ["chat", "stream", "embeddings"])
async def test_a_model_cannot_lead_the_path_elsewhere(model: str, surface: str) -> None:
    calls = {
        "chat": chat_call(),
        "stream": chat_call(stream=True),
        "embeddings": embeddings_call(),
    }
    error = await fail("workers_ai", answering(b"{}"), replace(calls[surface], model=model))
    assert isinstance(error, UpstreamStatus)
    assert error.status == 404


@pytest.mark.parametrize("account", ["", "a/b", "..", "a b"])
async def test_an_account_that_is_part_of_a_path_is_refused(account: str) -> None:
    async with serving(answering(b"{}")) as served:
        with pytest.raises(msgspec.ValidationError):
            async with upstream("workers_ai", served, account_id=account):
                pass


async def test_texts_are_embedded() -> None:
    async with (
        serving(answering(golden("embeddings.json"))) as served,
        upstream("workers_ai", served) as far,
    ):
        answer = await far.call(embeddings_call())
    assert msgspec.json.decode(served.seen[0].body) == {"text": ["hello", "there"]}
    data = msgspec.json.decode(answer.body)["data"]
    assert [item["embedding"] for item in data] == [[0.5, -0.25, 1.0], [0.125, 0.0, 2.0]]
    assert answer.usage is not None
    assert answer.usage.is_estimated


async def test_token_ids_are_not_embedded() -> None:
    call = embeddings_call(input=[1, 2, 3])
    error = await fail("workers_ai", answering(b"{}"), call)
    assert isinstance(error, UpstreamStatus)
    assert error.status == 404


async def test_clef_answers_typed_questions() -> None:
    async with (
        serving(answering(golden("decisions.json"))) as served,
        upstream("workers_ai", served) as far,
    ):
        answer = await far.call(decisions_call())
    assert served.seen[0].target == "/v1/accounts/acc0/ai/run/@cf/cloudflare/clef-flash"
    sent = msgspec.json.decode(served.seen[0].body)
    assert (sent["model"], sent["state"]) == ("clef-flash", "hello, charged twice")
    body = msgspec.json.decode(answer.body)
    assert [item["type"] for item in body["answers"]] == ["predicate", "choice", "score"]
    assert answer.usage is not None
    assert answer.usage.input_tokens == 112


async def test_questions_that_clef_does_not_take_are_not_sent() -> None:
    predicate = {"type": "predicate", "instructions": "Money is asked back."}
    call = decisions_call(questions=[predicate] * 65)
    async with serving(answering(b"{}")) as served, upstream("workers_ai", served) as far:
        with pytest.raises(UpstreamStatus) as caught:
            await far.call(call)
    assert caught.value.status == 404
    assert served.seen == []


async def test_decisions_may_be_put_to_a_text_model() -> None:
    questions = read_questions(msgspec.json.encode(DECISIONS))
    picked = {f"q{place}": option_codes(asked)[0] for place, asked in enumerate(questions, 1)}
    told = msgspec.json.encode({"result": {"response": picked}, "success": True})
    async with (
        serving(answering(told)) as served,
        upstream("workers_ai", served, decisions="chat") as far,
    ):
        answer = await far.call(decisions_call())
    sent: dict[str, Any] = msgspec.json.decode(served.seen[0].body)
    assert sent["response_format"]["json_schema"]["type"] == "object"
    decided = msgspec.json.decode(answer.body)["answers"]
    assert [item["type"] for item in decided] == ["predicate", "choice", "score"]
    assert "probabilities" in answer.lossy
    assert answer.usage is not None
    assert answer.usage.is_estimated


async def test_models_are_listed_page_by_page() -> None:
    async def script(turn: Turn) -> None:
        count = 100 if turn.seen.target.endswith("page=1") else 2
        names = [{"name": f"@cf/x/{number}"} for number in range(count)]
        await turn.answer(msgspec.json.encode({"result": names, "success": True}))

    async with serving(script) as served, upstream("workers_ai", served) as far:
        assert len(await far.models(chat_call().deadline)) == 102
    assert [seen.method for seen in served.seen] == ["GET", "GET"]
    assert served.seen[0].target == "/v1/accounts/acc0/ai/models/search?per_page=100&page=1"


async def test_a_list_of_models_that_does_not_come_times_out() -> None:
    async def script(turn: Turn) -> None:
        await turn.wait_for_client_to_leave()

    async with serving(script) as served, upstream("workers_ai", served) as far:
        with pytest.raises(UpstreamTimeout):
            await far.models(0.0)
