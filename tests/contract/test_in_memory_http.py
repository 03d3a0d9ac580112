"""The shipped fake of `ports.Http` keeps the promises that the real client keeps."""

import msgspec
import pytest

from tests.contract.upstreams import CHAT_ANSWER, CHAT_EVENTS, FixedClock, chat_call, collect
from tidegate.adapters.http.in_memory import InMemoryAnswer, InMemoryHttp, Sent
from tidegate.adapters.upstreams.openai import OpenAICompatible, Settings
from tidegate.errors import UpstreamCut, UpstreamMalformed, UpstreamStatus, UpstreamUnreachable
from tidegate.ports.http import Http, HttpAnswer

SETTINGS = Settings(
    name="far", base_url="https://api.example/v1", tier="central", region="r", zone="z"
)


def answering(answer: InMemoryAnswer) -> InMemoryHttp:
    async def respond(sent: Sent) -> InMemoryAnswer:
        del sent
        return answer

    return InMemoryHttp(respond)


async def upstream(http: Http) -> OpenAICompatible:
    made = OpenAICompatible(SETTINGS, secret=None, http=http, clock=FixedClock())
    await made.open()
    return made


async def test_a_function_can_stand_for_an_upstream() -> None:
    http = answering(InMemoryAnswer(pieces=(CHAT_ANSWER[:9], CHAT_ANSWER[9:])))
    answer = await (await upstream(http)).call(chat_call())
    assert answer.body == CHAT_ANSWER
    assert (http.sent[0].method, http.sent[0].path) == ("POST", "/chat/completions")
    assert msgspec.json.decode(http.sent[0].body)["model"] == "real-model"


async def test_streams_errors_and_breaks_look_like_the_real_ones() -> None:
    kind = {"content-type": "text/event-stream"}
    whole = answering(InMemoryAnswer(headers=kind, pieces=CHAT_EVENTS))
    _, raw = await collect(await upstream(whole), chat_call(stream=True))
    assert raw == b"".join(CHAT_EVENTS)
    failing = InMemoryAnswer(
        headers=kind, pieces=CHAT_EVENTS[:1], failure=UpstreamCut("far", "broke off")
    )
    with pytest.raises(UpstreamCut):
        await collect(await upstream(answering(failing)), chat_call(stream=True))
    assert failing.is_closed
    with pytest.raises(UpstreamStatus):
        await (await upstream(answering(InMemoryAnswer(status=503)))).call(chat_call())


async def test_limits_and_closing_hold_here_too() -> None:
    http = answering(InMemoryAnswer(pieces=(b"abc", b"def")))
    await http.open()
    answer: HttpAnswer = await http.request("GET", "/models", headers={})
    with pytest.raises(UpstreamMalformed):
        await answer.read(5)
    assert await answer.read(6) == b"abcdef"
    await http.close()
    with pytest.raises(UpstreamUnreachable):
        await http.request("GET", "/models", headers={})
