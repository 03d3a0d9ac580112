import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.question import Option, Question
from tidegate.domain.request import Decisions
from tidegate.errors import InvalidRequest
from tidegate.wire.decisions import decode_decisions, narrow, read_questions

PREDICATE = {"type": "predicate", "instructions": "It is urgent."}
CHOICE = {"type": "choice", "instructions": "Which?", "choices": [{"value": "a"}, {"value": "b"}]}
SCORE = {"type": "score", "instructions": "How?", "levels": [{"label": "low"}, {"label": "high"}]}


def body(*questions: Any, **fields: Any) -> bytes:
    return json.dumps(
        {"model": "m", "input": "Hello", "questions": list(questions) or [PREDICATE]} | fields
    ).encode()


def decode(*questions: Any, **fields: Any) -> Decisions:
    return decode_decisions(body(*questions, **fields))[1]


def user(content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": content} | fields


def test_every_type_of_question_is_read() -> None:
    model, ask = decode_decisions(
        body(
            PREDICATE | {"name": "p"},
            CHOICE | {"choices": [{"value": "true"}, {"value": True, "description": "yes"}]},
            SCORE | {"name": None},
        )
    )
    assert model == "m"
    assert ask == Decisions(
        questions=(
            Question("predicate", "p", "It is urgent."),
            Question("choice", None, "Which?", (Option("true"), Option(True, "yes"))),
            Question("score", None, "How?", (Option("low"), Option("high"))),
        ),
        text="Hello",
    )


@pytest.mark.parametrize(
    ("instructions", "text"),
    [
        (
            [{"type": "input_text", "text": "One"}, {"type": "input_text", "text": "two"}],
            "One\ntwo",
        ),
        ([{"type": "input_json", "data": {"a": [1, "é"]}}], '{"a":[1,"é"]}'),
        (
            [
                {"type": "input_text", "text": "Is it"},
                {"type": "input_image", "image_url": "data:"},
            ],
            None,
        ),
    ],
)
def test_instructions_in_parts_are_text_unless_they_hold_more(
    instructions: Any, text: str | None
) -> None:
    assert decode(PREDICATE | {"instructions": instructions}).questions[0].instructions == text


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([user("Hello")], "Hello"),
        ([{"role": "user", "content": "Hello"}], "Hello"),
        ([user("One"), user("two")], "One\ntwo"),
        (
            [
                user(
                    [
                        {"type": "input_text", "text": "One"},
                        {"type": "input_json", "data": [{"k": 1.5}, {}]},
                        {"type": "input_text", "text": "two"},
                    ]
                )
            ],
            'One\n[{"k":1.5},{}]\ntwo',
        ),
    ],
)
def test_user_text_is_joined_by_lines(items: Any, text: str) -> None:
    assert decode(input=items) == Decisions(decode().questions, text)


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
CUSTOM = {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"}


@pytest.mark.parametrize(
    ("items", "obstacle"),
    [
        ([user("a"), {"role": "system", "content": "b"}], "system message"),
        ([{"role": "developer", "content": "b"}, user("a")], "developer message"),
        (
            [user("a"), {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]}],
            "assistant message",
        ),
        ([{"role": "bystander", "content": "b"}], "unknown role"),
        ([user([{"type": "input_image", "image_url": "data:"}])], "image or unknown part"),
        ([user([{"type": "input_video"}])], "image or unknown part"),
        ([user("a"), CALL], "tool call"),
        ([CALL, {"type": "function_call_output", "call_id": "c", "output": "1"}], "tool call"),
        ([CUSTOM, {"type": "custom_tool_call_output", "call_id": "c", "output": []}], "tool call"),
        ([{"type": "reasoning"}], "unknown item"),
        (" \n", "no text"),
        ([user("")], "no text"),
        ([user(" \t")], "no text"),
        ([user([])], "no text"),
    ],
)
def test_input_that_no_local_head_may_read_has_an_obstacle(items: Any, obstacle: str) -> None:
    ask = decode(input=items)
    assert (ask.text, ask.obstacle) == (None, obstacle)


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def part(data: Any) -> list[Any]:
    return [user([{"type": "input_json", "data": data}])]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 3}, "model"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"input": [{"type": "message", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [user([{"type": "input_text"}])]}, "input[0].content[0].text"),
        ({"input": [user([{"type": "input_image"}])]}, "input[0].content[0].image_url"),
        ({"input": [user([{"type": "input_json"}])]}, "input[0].content[0].data"),
        ({"input": part("text")}, "input[0].content[0].data"),
        ({"input": part([1])}, "input[0].content[0].data[0]"),
        ({"input": part(deep(33))}, "input[0].content[0].data"),
        ({"input": part({"a": [0] * 10_000})}, "input[0].content[0].data"),
        ({"input": part({"a": "x" * 262_144})}, "input[0].content[0].data"),
        ({"input": [CALL | {"call_id": None}]}, "input[0].call_id"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]},
            "input[0].call_id",
        ),
        (
            {"input": [CUSTOM, {"type": "function_call_output", "call_id": "c", "output": "1"}]},
            "input[1].call_id",
        ),
        ({"input": [CALL, {"type": "function_call_output", "call_id": "c"}]}, "input[1].output"),
        ({"stream": True}, "stream"),
        ({"stream": "yes"}, "stream"),
        ({"safety_identifier": "x" * 129}, "safety_identifier"),
        ({"questions": []}, "questions"),
        ({"questions": {}}, "questions"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(**fields)
    assert caught.value.param == param


def options(count: int) -> list[dict[str, Any]]:
    return [{"value": str(number), "label": str(number)} for number in range(count)]


@pytest.mark.parametrize(
    ("question", "param"),
    [
        ({"type": "predicate"}, "instructions"),
        (PREDICATE | {"instructions": ""}, "instructions"),
        (PREDICATE | {"instructions": " \n"}, "instructions"),
        (PREDICATE | {"instructions": []}, "instructions"),
        (PREDICATE | {"instructions": [{"type": "input_text"}]}, "instructions[0].text"),
        (PREDICATE | {"instructions": 3}, "instructions"),
        (PREDICATE | {"type": "essay"}, "type"),
        ({"instructions": "a"}, "type"),
        (PREDICATE | {"name": 3}, "name"),
        (PREDICATE | {"name": "taken"}, "name"),
        (CHOICE | {"choices": None}, "choices"),
        (CHOICE | {"choices": options(1)}, "choices"),
        (CHOICE | {"choices": options(256)}, "choices"),
        (CHOICE | {"choices": options(3) + options(1)}, "choices"),
        (CHOICE | {"choices": [{"value": 1}, {"value": 2}]}, "choices[0].value"),
        (CHOICE | {"choices": [{}, {}]}, "choices[0].value"),
        ({"type": "choice", "instructions": "a"}, "choices"),
        (SCORE | {"levels": options(1)}, "levels"),
        (SCORE | {"levels": options(11)}, "levels"),
        (SCORE | {"levels": [{"label": 1}, {"label": 2}]}, "levels[0].label"),
        ({"type": "score", "instructions": "a"}, "levels"),
    ],
)
def test_a_wrong_question_is_refused_by_its_path(question: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(PREDICATE | {"name": "taken"}, question)
    assert caught.value.param == f"questions[1].{param}"


def test_limits_are_inclusive() -> None:
    decode(CHOICE | {"choices": options(255)}, SCORE | {"levels": options(10)})
    decode(input=part(deep(32)))
    assert len(decode_decisions(body(*[PREDICATE] * 3), max_questions=3)[1].questions) == 3


def test_more_questions_than_the_limit_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="holds 4; at most 3"):
        decode_decisions(body(*[PREDICATE] * 4), max_questions=3)


def test_a_refused_value_is_not_quoted() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(PREDICATE | {"type": "SECRET"})
    assert "SECRET" not in str(caught.value)


def test_several_unnamed_questions_are_taken() -> None:
    assert len(decode(PREDICATE, PREDICATE | {"name": None}).questions) == 2


def test_narrowing_keeps_the_bytes_of_what_stays() -> None:
    plain = (
        b'{"model":"a","x":1.50,"input":"hi","questions":[{"type":"predicate","instructions":"A"},'
        b' {"type":"predicate", "instructions":"\\u00e9"}]}'
    )
    assert narrow(plain, [1], "b") == (
        b'{"model":"b","x":1.50,"input":"hi","questions":'
        b'[{"type":"predicate", "instructions":"\\u00e9"}]}'
    )


def test_narrowing_to_all_questions_gives_the_same_body() -> None:
    plain = body(PREDICATE, CHOICE)
    assert narrow(plain, [0, 1], "m") is plain


def test_questions_of_a_checked_request_are_read_alone() -> None:
    plain = body(*[PREDICATE] * 500)
    assert len(read_questions(plain)) == 500


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "message", "user", "choice"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "instructions", "choices", "value", "data"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(VALUE, VALUE)
def test_any_input_and_questions_are_taken_or_refused_with_the_one_error(
    given_input: Any, questions: Any
) -> None:
    with contextlib.suppress(InvalidRequest):
        decode(input=given_input)
    with contextlib.suppress(InvalidRequest):
        decode(questions=questions)
    with contextlib.suppress(InvalidRequest):
        decode(CHOICE | {"instructions": given_input}, questions)
