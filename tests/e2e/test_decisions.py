"""Typed decisions: answered here, upstream, or both, and refused where nobody can."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from tests.contract.servers import Turn
from tests.e2e.bundle import INSTRUCTIONS, LABELS, SURE, TASK, Trained, angry, decide, intent, task
from tests.e2e.harness import Config, Gateway, running_gateway, upstream
from tests.e2e.tiers import QUICK, Side, scripted
from tidegate.mock.server import running_mock

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def decides(turn: Turn) -> None:
    """Answer every question that came: predicates 0.25, of choices the last."""
    answers = []
    for question in msgspec.json.decode(turn.seen.body)["questions"]:
        head = {"type": question["type"], "name": question.get("name")}
        if question["type"] == "predicate":
            answers.append(head | {"probability": 0.25})
            continue
        values = [choice["value"] for choice in question["choices"]]
        shares = [0.1] * (len(values) - 1)
        shares.append(1.0 - sum(shares))
        pairs = [
            {"value": value, "probability": share}
            for value, share in zip(values, shares, strict=True)
        ]
        answers.append(
            head | {"choice": values[-1], "confidence": shares[-1], "probabilities": pairs}
        )
    usage = {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 50,
    }
    body = {"model": "far-decider", "answers": answers, "usage": usage}
    await turn.answer(msgspec.json.format(msgspec.json.encode(body), indent=1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(support: Trained) -> AsyncIterator[tuple[Gateway, Side]]:
    async with (
        scripted() as far,
        running_gateway(deciding(far.served.url), bundles=support.bundles) as gateway,
    ):
        yield gateway, far


@pytest.fixture
def far(running: tuple[Gateway, Side]) -> Side:
    running[1].forget()
    running[1].script = decides
    return running[1]


@pytest.fixture
def gateway(running: tuple[Gateway, Side], far: Side) -> Gateway:
    del far
    return running[0]


def deciding(url: str) -> Config:
    return {
        "upstreams": [upstream("far", url, timeouts=QUICK)],
        "routes": [
            {"models": ["decider"], "upstreams": ["far"], "tasks": [TASK], "cache": "off"},
            {"models": ["cached"], "upstreams": ["far"], "tasks": [TASK]},
            {"models": ["unsure"], "upstreams": ["far"], "tasks": ["unsure"], "cache": "off"},
            {"models": ["off"], "upstreams": ["far"], "tasks": ["off"], "cache": "off"},
            {"models": ["named"], "upstreams": ["far"], "tasks": ["named"], "cache": "off"},
            {"models": ["cut"], "upstreams": ["far"], "tasks": ["cut"], "cache": "off"},
            {"models": ["central"], "upstreams": ["far"], "cache": "off"},
        ],
        "tasks": {
            TASK: task(),
            "unsure": task(1.0, bundle=TASK),
            "off": {"question": intent(None), "bundle": TASK},
            "named": task(bundle=TASK, accept_names=["intent"]),
            "cut": task(bundle=TASK, allow_truncated=True),
        },
    }


def asked_of(far: Side) -> list[str | None]:
    """Give the names of the questions that went up in the only call."""
    assert far.calls == 1
    body = msgspec.json.decode(far.served.seen[0].body)
    return [question.get("name") for question in body["questions"]]


async def test_a_covered_question_is_answered_here(gateway: Gateway, far: Side) -> None:
    got = await gateway.send("decisions", decide(intent()))
    record = await gateway.record(got.request_id)

    (answer,) = got.json()["answers"]
    assert (answer["type"], answer["name"], answer["choice"]) == (
        "choice",
        "intent",
        "double_charge",
    )
    assert [one["value"] for one in answer["probabilities"]] == list(LABELS)
    assert sum(one["probability"] for one in answer["probabilities"]) == pytest.approx(1)
    assert got.headers["x-tidegate-source"] == "local"
    assert far.calls == 0
    assert (record.source, record.tier, record.task) == ("local", "pop", TASK)
    assert record.confidence == pytest.approx(answer["confidence"])
    assert (record.cost_micro_usd, record.attempts) == (0, ())
    assert record.questions[0].bundle is not None
    assert record.input_tokens > 0


async def test_the_order_of_choices_is_the_client_s(gateway: Gateway, far: Side) -> None:
    asked = intent()
    asked["choices"] = asked["choices"][::-1]

    got = await gateway.send("decisions", decide(asked))

    assert far.calls == 0
    (answer,) = got.json()["answers"]
    assert [one["value"] for one in answer["probabilities"]] == list(LABELS)[::-1]
    assert answer["choice"] == "double_charge"


@pytest.mark.parametrize(
    "change",
    [
        {"instructions": INSTRUCTIONS.replace("want", "need")},
        {"choices": [{"value": label} for label in (*LABELS, "other")]},
        {"choices": [{"value": label} for label in LABELS[:2]]},
        {"choices": [{"value": label, "description": "d"} for label in LABELS]},
    ],
    ids=["one word", "one more choice", "one choice less", "descriptions"],
)
async def test_any_other_wording_goes_up(gateway: Gateway, far: Side, change: Config) -> None:
    got = await gateway.send("decisions", decide(intent() | change))
    record = await gateway.record(got.request_id)

    assert asked_of(far) == ["intent"]
    assert got.headers["x-tidegate-source"] == "upstream"
    assert record.questions[0].source == "upstream"
    assert record.questions[0].reason


async def test_an_answer_from_above_is_relayed_byte_for_byte(gateway: Gateway, far: Side) -> None:
    got = await gateway.send("decisions", decide(angry()))

    assert far.calls == 1
    assert got.body.startswith(b'{\n "model": "far-decider"')


@pytest.mark.parametrize("model", ["unsure", "off", "central"])
async def test_without_confidence_consent_or_task_it_goes_up(
    gateway: Gateway, far: Side, model: str
) -> None:
    got = await gateway.send("decisions", decide(intent(), model=model, text="Good morning"))
    record = await gateway.record(got.request_id)

    assert asked_of(far) == ["intent"]
    assert (record.source, record.upstream) == ("upstream", "far")
    if model == "unsure":
        assert record.questions[0].reason == "below the threshold"


async def test_an_accepted_name_is_answered_whatever_its_wording(
    gateway: Gateway, far: Side
) -> None:
    reworded = intent(instructions="Sort this.")

    accepted = await gateway.send("decisions", decide(reworded, model="named"))
    other = await gateway.send("decisions", decide(reworded | {"name": "kind"}, model="named"))

    assert accepted.headers["x-tidegate-source"] == "local"
    assert other.headers["x-tidegate-source"] == "upstream"
    assert asked_of(far) == ["kind"]


async def test_only_what_is_open_goes_up_in_one_call_and_comes_back_in_order(
    gateway: Gateway, far: Side
) -> None:
    questions = (angry("a"), intent("b"), angry("c"), intent("d", "Which topic?"))
    got = await gateway.send("decisions", decide(*questions))
    record = await gateway.record(got.request_id)

    assert asked_of(far) == ["a", "c", "d"]
    sent = msgspec.json.decode(far.served.seen[0].body)
    assert sent["input"] == SURE
    answers = got.json()["answers"]
    assert [one["name"] for one in answers] == ["a", "b", "c", "d"]
    assert answers[0]["probability"] == 0.25
    assert (answers[1]["choice"], answers[3]["choice"]) == ("double_charge", LABELS[-1])
    assert (record.source, record.tier, record.reason) == ("upstream", "central", "mixed")
    assert [one.source for one in record.questions] == ["upstream", "local", "upstream", "upstream"]
    assert record.questions[1].task == TASK
    assert record.input_tokens > 50
    assert got.headers["x-tidegate-source"] == "upstream"


async def fails(turn: Turn) -> None:
    await turn.answer(b"no", 500)


async def test_with_the_upstream_down_open_questions_are_refused_and_the_rest_answered(
    gateway: Gateway, far: Side
) -> None:
    far.script = fails

    got = await gateway.send("decisions", decide(angry(), intent()))
    record = await gateway.record(got.request_id)

    assert got.status == 200
    assert got.json()["answers"][0] == {"type": "refusal", "name": "angry"}
    assert got.json()["answers"][1]["choice"] == "double_charge"
    assert (record.source, record.status) == ("local", 200)
    assert [one.source for one in record.questions] == ["refused", "local"]
    assert {one.outcome for one in record.attempts} == {"error_status"}


async def test_when_nobody_can_answer_anything_it_is_an_error(gateway: Gateway, far: Side) -> None:
    far.script = fails

    got = await gateway.send("decisions", decide(angry(), intent(instructions="Else?")))
    record = await gateway.record(got.request_id)

    assert (got.status, got.code) == (502, "no_tier_answered")
    assert (record.status, record.error) == (502, "NoAnswer")


async def test_refusals_of_an_outage_are_not_repeated_when_it_is_over(
    gateway: Gateway, far: Side
) -> None:
    body = decide(angry(), intent(), model="cached")
    far.script = fails
    assert (await gateway.send("decisions", body)).json()["answers"][0]["type"] == "refusal"
    far.script = decides

    got = await gateway.send("decisions", body)

    assert got.json()["answers"][0]["probability"] == 0.25


async def test_local_and_mixed_answers_are_repeated(gateway: Gateway, far: Side) -> None:
    for questions in ((intent(),), (angry(), intent())):
        body = decide(*questions, model="cached", text=f"{SURE} Please.")
        first = await gateway.send("decisions", body)
        second = await gateway.send("decisions", body)

        assert second.body == first.body
        assert second.headers["x-tidegate-source"] == "cache"
    assert far.calls == 1


async def answers_another_question(turn: Turn) -> None:
    await turn.answer(
        b'{"model":"m","answers":[{"type":"predicate","name":"other","probability":0.5}],'
        b'"usage":{"input_tokens":1,"output_tokens":0,"total_tokens":1}}'
    )


async def too_few(turn: Turn) -> None:
    await turn.answer(b'{"model":"m","answers":[],"usage":{"input_tokens":1,"output_tokens":0}}')


@pytest.mark.parametrize("how", [answers_another_question, too_few])
async def test_an_answer_to_other_questions_is_none(
    gateway: Gateway, far: Side, how: object
) -> None:
    assert callable(how)
    far.script = how

    got = await gateway.send("decisions", decide(angry()))

    assert got.status == 502
    assert (await gateway.record(got.request_id)).attempts[0].outcome == "malformed"


async def test_a_text_longer_than_the_encoder_reads_goes_up(gateway: Gateway, far: Side) -> None:
    got = await gateway.send("decisions", decide(intent(), text=f"{SURE} " * 200))
    record = await gateway.record(got.request_id)

    assert asked_of(far) == ["intent"]
    assert "longer" in record.questions[0].reason


async def test_a_long_text_is_answered_from_its_windows(gateway: Gateway) -> None:
    got = await gateway.send("decisions", decide(intent(), text=f"{SURE} " * 30))
    record = await gateway.record(got.request_id)

    assert got.headers["x-tidegate-source"] == "local"
    assert (record.windows, record.truncated) == (3, None)
    assert "x-tidegate-lossy" not in got.headers


async def test_a_task_may_allow_that_the_end_is_not_read(gateway: Gateway) -> None:
    got = await gateway.send("decisions", decide(intent(), text=f"{SURE} " * 200, model="cut"))
    record = await gateway.record(got.request_id)

    assert got.headers["x-tidegate-source"] == "local"
    assert got.headers["x-tidegate-lossy"] == "truncated"
    assert (record.windows, record.truncated) == (4, 1)


async def test_an_input_with_an_image_goes_up(gateway: Gateway, far: Side) -> None:
    parts = [
        {"type": "input_text", "text": SURE},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
    ]
    body = decide(intent()) | {"input": [{"role": "user", "content": parts}]}

    got = await gateway.send("decisions", body)

    assert got.status == 200, got.body
    assert asked_of(far) == ["intent"]


@pytest.mark.parametrize("blank", [" \n\t", "\u202e\u200b", "\x00"])
async def test_a_text_that_shows_nothing_goes_up(gateway: Gateway, far: Side, blank: str) -> None:
    got = await gateway.send("decisions", decide(intent(), text=blank))
    record = await gateway.record(got.request_id)

    assert asked_of(far) == ["intent"]
    assert record.questions[0].reason == "no text"


async def test_a_task_has_a_model_name_of_its_own(gateway: Gateway, far: Side) -> None:
    got = await gateway.send("decisions", decide(intent(), model=f"tidegate/{TASK}"))
    open_one = await gateway.send("decisions", decide(angry(), model=f"tidegate/{TASK}"))

    assert got.headers["x-tidegate-source"] == "local"
    assert far.calls == 0
    # It has no upstream: nobody is allowed to answer this.
    assert (open_one.status, open_one.code) == (403, "no_tier_allowed")
    assert "the wording is not the one" in open_one.json()["error"]["message"]


async def test_how_sure_a_head_was_is_not_told_where_nobody_may_answer(gateway: Gateway) -> None:
    got = await gateway.send("decisions", decide(intent(), model="tidegate/unsure"))

    assert got.status == 403
    assert got.json()["error"]["message"] == "No tier may answer `tidegate/unsure`."


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_chat_model_decides_with_probabilities_that_are_said_to_be_lost(
    support: Trained, kind: str
) -> None:
    async with running_mock() as mock:
        config = deciding(mock.url)
        config["upstreams"][0] |= {"kind": kind, "timeouts": {}}
        if kind == "openai":
            config["upstreams"][0]["decisions"] = "chat"
        async with running_gateway(config, bundles=support.bundles) as gateway:
            got = await gateway.send("decisions", decide(angry(), intent()))

    assert got.status == 200, got.body
    assert "probabilities" in got.headers["x-tidegate-lossy"]
    assert got.json()["answers"][0]["probability"] in (0.5, pytest.approx(0.5))


async def test_two_tiers_decide_as_one(gateway: Gateway, far: Side) -> None:
    (gateway.folder / "node.key").write_text(gateway.new_key(role="node"), encoding="ascii")
    first = upstream(
        "region",
        f"{gateway.base_url}/v1",
        kind="tidegate",
        tier="region",
        api_key=f"file:{gateway.folder / 'node.key'}",
    )
    config = {
        "upstreams": [first],
        "routes": [{"models": ["decider"], "upstreams": ["region"]}],
    }
    async with running_gateway(config) as edge:
        got = await edge.send("decisions", decide(angry(), intent()))

    assert [one["name"] for one in got.json()["answers"]] == ["angry", "intent"]
    assert asked_of(far) == ["angry"]
