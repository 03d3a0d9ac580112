"""Sounds, files and batches through the node with the official SDK, to the mock upstream."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tests.contract.servers import Turn, serving
from tests.e2e.far import holds
from tests.e2e.harness import Config, Gateway, Got, running_gateway, upstream
from tests.e2e.waiting import until
from tidegate.domain.identity import SCOPES
from tidegate.mock.server import RunningMock, running_mock
from tidegate.mock.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = b"".join(
    json.dumps(
        {
            "custom_id": f"r{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": [{"role": "user", "content": f"Hello {number}"}]},
        }
    ).encode()
    + b"\n"
    for number in range(3)
)
BOUNDARY = b"xyz"
FORM = {"content-type": "multipart/form-data; boundary=xyz"}


def passing(url: str, **config: object) -> Config:
    return {
        "upstreams": [upstream("central", url)],
        "routes": [
            {"models": ["whisper-1"], "upstreams": [{"name": "central", "model": "whisper-large"}]},
            {"models": ["*"], "upstreams": ["central"]},
        ],
        "batches": {"upstream": "central"},
        **config,
    }


@dataclass
class Running:
    gateway: Gateway
    mock: RunningMock
    client: AsyncOpenAI


def sdk(gateway: Gateway, key: str | None = None) -> AsyncOpenAI:
    return AsyncOpenAI(api_key=key or gateway.key, base_url=f"{gateway.base_url}/v1", max_retries=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with (
        running_mock(Settings(latency_ms=0)) as mock,
        running_gateway(passing(mock.url), tenants=("default", "other")) as gateway,
        sdk(gateway) as client,
    ):
        yield Running(gateway, mock, client)


def part(name: str, value: bytes, more: bytes = b"") -> bytes:
    head = b'--xyz\r\ncontent-disposition: form-data; name="%s"%s' % (name.encode(), more)
    return head + b"\r\n\r\n" + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


SOUND = part("file", b"\x00\xff\r\n--xy\r\nRIFF", b'; filename="a.wav"')


async def test_speech_is_streamed_and_recorded_with_an_estimated_cost(running: Running) -> None:
    calls = running.client.audio.speech.with_streaming_response
    async with calls.create(model="tts-1", voice="alloy", input="Guten Tag") as answer:
        sound = b"".join([piece async for piece in answer.iter_bytes()])
        request_id = answer.headers["x-request-id"]
        assert answer.headers["content-type"] == "audio/mpeg"
    record = await running.gateway.record(request_id)

    assert sound == b"[mock] sound of: Guten Tag"
    assert (record.surface, record.model_asked, record.upstream) == ("audio", "tts-1", "central")
    assert (record.tier, record.region, record.status) == ("central", "us-east", 200)
    assert record.input_tokens >= len("Guten Tag")
    assert record.usage_is_estimated
    assert record.cost_is_estimated
    assert record.cost_micro_usd > 0


async def test_a_recording_is_written_down_by_the_route_s_model(running: Running) -> None:
    audio, file = running.client.audio, ("a.wav", b"sound" * 100)
    said = await audio.transcriptions.create(model="whisper-1", file=file)
    assert said.text == "[mock] 500 bytes of sound, heard by whisper-large"
    # The SDK deprecates the method; the path is served all the same.
    with pytest.deprecated_call():
        translated = await audio.translations.create(model="whisper-1", file=file)
    assert translated.text == said.text
    record = await running.gateway.last_record()
    assert (record.model_asked, record.model) == ("whisper-1", "whisper-large")


async def test_a_transcript_may_be_streamed(running: Running) -> None:
    stream = await running.client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", b"sound"), stream=True
    )
    kinds = [event.type async for event in stream]
    assert kinds == ["transcript.text.delta", "transcript.text.done"]


async def test_a_batch_from_its_file_to_its_results(running: Running) -> None:
    client = running.client
    file = await client.files.create(file=("in.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"for": "tests"},
    )
    assert batch.status == "validating"
    done = await client.batches.retrieve(batch.id)
    assert (done.status, done.metadata) == ("completed", {"for": "tests", "mock": "true"})
    assert done.output_file_id is not None
    content = await client.files.content(done.output_file_id)
    results = [json.loads(line) for line in content.text.splitlines()]
    assert [one["custom_id"] for one in results] == ["r0", "r1", "r2"]
    assert "mock" in json.dumps(results)

    made = next(one for one in running.gateway.log.records if one.surface == "batches")
    assert made.cost_is_estimated
    assert made.input_tokens >= len(LINES) / 4
    assert (await client.files.content(file.id)).content == LINES


async def test_a_batch_can_be_cancelled(running: Running) -> None:
    client = running.client
    file = await client.files.create(file=("in.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (await client.batches.cancel(batch.id)).status == "cancelling"


async def test_a_file_that_was_deleted_is_nobody_s(running: Running) -> None:
    file = await running.client.files.create(file=("in.jsonl", LINES), purpose="batch")
    assert (await running.client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await running.client.files.retrieve(file.id)


async def test_another_tenant_learns_nothing_of_files_and_batches(running: Running) -> None:
    client, gateway = running.client, running.gateway
    file = await client.files.create(file=("in.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    done = await client.batches.retrieve(batch.id)
    assert done.output_file_id is not None
    async with sdk(gateway, gateway.new_key("other", scopes=SCOPES)) as other:
        for asking in (
            other.files.retrieve(file.id),
            other.files.content(file.id),
            other.files.content(done.output_file_id),
            other.files.delete(file.id),
            other.batches.retrieve(batch.id),
            other.batches.cancel(batch.id),
            other.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            ),
        ):
            with pytest.raises(openai.NotFoundError) as refused:
                await asking
            assert refused.value.code == "object_not_found"
        assert [one async for one in other.files.list()] == []
        assert [one async for one in other.batches.list()] == []
        with pytest.raises(openai.NotFoundError):
            await other.files.list(after=file.id)
    # It is all still there.
    assert (await client.batches.retrieve(batch.id)).status == "completed"
    assert (await client.files.content(file.id)).content == LINES


async def test_lists_hold_what_is_the_tenant_s_own_page_by_page(running: Running) -> None:
    gateway = running.gateway
    key = gateway.new_key("other", scopes=SCOPES)
    async with sdk(gateway, key) as other:
        mine = []
        for number in range(5):
            await running.client.files.create(file=("theirs", b"x"), purpose="batch")
            made = await other.files.create(file=(f"{number}", b"x"), purpose="batch")
            mine.append(made.id)
        page = await other.files.list(limit=2)
        assert [one.id for one in page.data] == mine[::-1][:2]
        assert page.has_more
        assert [one.id async for one in other.files.list(limit=2)] == mine[::-1]
        assert [one async for one in other.files.list(purpose="assistants")] == []


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v1/audio/speech", "audio"),
        ("/v1/audio/transcriptions", "audio"),
        ("/v1/files", "batches"),
        ("/v1/batches", "batches"),
    ],
)
async def test_each_path_needs_its_scope(running: Running, path: str, scope: str) -> None:
    gateway = running.gateway
    before = running.mock.calls()["calls"]
    key = gateway.new_key(scopes=[one for one in SCOPES if one != scope])
    for method in ("POST", "GET"):
        got = await gateway.send(path, b"{}" if method == "POST" else None, key=key)
        assert got.status in (403, 405)
    assert (await gateway.send(path, b"{}", key="tg-wrong")).status == 401
    assert running.mock.calls()["calls"] == before


async def test_a_key_of_the_usual_scopes_may_neither(running: Running) -> None:
    key = running.gateway.new_key()
    got = await running.gateway.send("/v1/batches", key=key)
    assert (got.status, got.code) == (403, "forbidden")


async def sent(running: Running, body: bytes, path: str = "/v1/audio/transcriptions") -> Got:
    return await running.gateway.send(path, body, headers=FORM)


BROKEN = {
    "no model": (form(SOUND), "model"),
    "no file": (form(part("model", b"a")), "file"),
    "two models": (form(part("model", b"a"), part("model", b"b"), SOUND), "model"),
    "a model that is a file": (form(part("model", b"a", b'; filename="m"'), SOUND), "model"),
    "an empty model": (form(part("model", b""), SOUND), "model"),
    "no end": (form(part("model", b"a"), SOUND)[:-6], None),
    "something before it": (b"x" + form(part("model", b"a"), SOUND), None),
    "something behind it": (form(part("model", b"a"), SOUND) + b"x", None),
    "a name without quotes": (
        form(b"--xyz\r\ncontent-disposition: form-data; name=model\r\n\r\na\r\n"),
        None,
    ),
    "two names": (
        form(
            b'--xyz\r\ncontent-disposition: form-data; name="a"\r\n'
            b'Content-Disposition: form-data; name="model"\r\n\r\na\r\n'
        ),
        None,
    ),
    "nothing": (b"{}", None),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_form_that_could_be_read_in_two_ways_goes_nowhere(
    running: Running, how: str
) -> None:
    body, param = BROKEN[how]
    before = running.mock.calls()["calls"]
    got = await sent(running, body)
    assert (got.status, got.param) == (400, param)
    assert running.mock.calls()["calls"] == before


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/..%2fmodels",
        "/v1/files/a%2f..%2f..%2fmodels",
        "/v1/files/file-x/content/more",
        "/v1/batches/a b",
        "/v1/audio/other",
    ],
)
async def test_no_path_leads_elsewhere(running: Running, path: str) -> None:
    before = running.mock.calls()["calls"]
    assert (await running.gateway.send(path)).status == 404
    assert running.mock.calls()["calls"] == before


async def test_only_the_methods_of_a_path_are_taken(running: Running) -> None:
    got = await running.gateway.send("/v1/files/file-x", b"{}", method="PUT")
    assert (got.status, got.headers["allow"]) == (405, "GET, DELETE")


async def test_bytes_are_passed_on_unchanged_both_ways() -> None:
    answer = b'{ "text":"Hi",  "x_vendor":1.0 }'

    async def answers(turn: Turn) -> None:
        await turn.answer(answer)

    body = form(part("x", b"1"), SOUND, part("model", b"other-1"))
    async with serving(answers) as far, running_gateway(passing(far.url)) as gateway:
        got = await gateway.send("/v1/audio/transcriptions", body, headers=FORM)
        named = await gateway.send(
            "/v1/audio/transcriptions", form(part("model", b"whisper-1"), SOUND), headers=FORM
        )
    assert (got.status, got.body, named.status) == (200, answer, 200)
    assert far.seen[0].body == body
    assert far.seen[0].headers["content-type"] == FORM["content-type"]
    assert "authorization" not in far.seen[0].headers
    # Nothing but the name of the model.
    assert far.seen[1].body == form(part("model", b"whisper-large"), SOUND)


async def test_an_upload_over_its_limit_is_413() -> None:
    async with running_mock(Settings(latency_ms=0)) as mock:
        config = passing(mock.url, limits={"upload_bytes": 1_024})
        async with running_gateway(config) as gateway:
            body = form(part("model", b"a"), part("file", b"x" * 1_024, b'; filename="a"'))
            got = await gateway.send("/v1/audio/transcriptions", body, headers=FORM)
            assert (got.status, got.code) == (413, "request_too_large")


async def test_a_tier_that_fails_is_followed_by_the_next_for_sounds() -> None:
    async def fails(turn: Turn) -> None:
        await turn.answer(b'{"error":{"message":"broke"}}', 500)

    async with serving(fails) as near, running_mock(Settings(latency_ms=0)) as mock:
        config = {
            "upstreams": [upstream("near", near.url), upstream("central", mock.url)],
            "routes": [{"models": ["*"], "upstreams": ["near", "central"]}],
        }
        async with running_gateway(config) as gateway:
            body = {"model": "tts-1", "voice": "alloy", "input": "Hi"}
            got = await gateway.send("/v1/audio/speech", body)
            record = await gateway.record(got.request_id)
            refused = await gateway.send("/v1/files")
    assert (got.status, got.body) == (200, b"[mock] sound of: Hi")
    assert [one.outcome for one in record.attempts] == ["error_status", "ok"]
    # No upstream was named for files.
    assert (refused.status, refused.code) == (400, "unsupported_api")


async def test_a_refusal_of_the_upstream_is_relayed_in_its_words() -> None:
    words = b'{"error":{"message":"no such endpoint","type":"invalid_request_error"}}'

    async def scripted(turn: Turn) -> None:
        if turn.seen.target.endswith("/files"):
            await turn.answer(b'{"id":"file-1","object":"file"}')
        else:
            await turn.answer(words, 400)

    async with serving(scripted) as far, running_gateway(passing(far.url)) as gateway:
        upload = form(part("purpose", b"batch"), SOUND)
        assert (await gateway.send("/v1/files", upload, headers=FORM)).status == 200
        got = await gateway.send("/v1/batches", {"input_file_id": "file-1", "endpoint": "/v1/x"})
        record = await gateway.record(got.request_id)
    assert (got.status, got.body) == (400, words)
    # What makes something is sent once.
    assert len(far.seen) == 2
    assert (record.status, record.cost_micro_usd) == (400, 0)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole() -> None:
    async def breaks(turn: Turn) -> None:
        await turn.open_stream()
        await turn.chunk(b"half of a sound")
        turn.cut()

    async with serving(breaks) as far, running_gateway(passing(far.url)) as gateway:
        async with sdk(gateway) as client:
            with pytest.raises(openai.APIConnectionError):
                await client.audio.speech.create(model="tts-1", voice="alloy", input="Hi")
        record = await gateway.last_record()
    assert record.error == "UpstreamCut"
    assert record.cost_micro_usd > 0


async def test_a_client_that_leaves_is_recorded_and_its_upstream_let_go() -> None:
    async with serving(holds) as far, running_gateway(passing(far.url)) as gateway:
        body = {"model": "tts-1", "voice": "alloy", "input": "Hi"}
        leaving = asyncio.create_task(gateway.send("/v1/audio/speech", body))
        await until(far.arrived.is_set)
        leaving.cancel()
        await until(far.left.is_set)
        record = await gateway.last_record()
        assert (record.status, record.abort_phase) == (499, "before_first_byte")
        assert record.cost_micro_usd > 0
        await until(lambda: gateway.node.generations.in_flight() == 0)
