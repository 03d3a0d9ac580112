"""Which chat requests are a question about a text, and how answers to them are written."""

from typing import Any

import msgspec
import pytest

from tidegate.domain.route import ChatTemplate
from tidegate.errors import ConfigError
from tidegate.tasks.chat_question import (
    OTHER,
    ChatQuestion,
    Slot,
    compile_template,
    label_in,
    recognise,
    writing_of,
    written,
)

ENUM = {"type": "string", "enum": ["billing", "delivery"]}
OBJECT = {"type": "object", "properties": {"topic": ENUM}, "additionalProperties": False}
TEMPLATE = ChatTemplate(r"(?s)Sort this: (.*)\nOne word\.", ("billing", "delivery"))
TEXT = "Where is my parcel?"


def wanting(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": schema}}


def asking(text: object = TEXT, schema: object = OBJECT, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Sort."}, {"role": "user", "content": text}]
    body = {"model": "m", "messages": messages, "response_format": wanting(schema), **fields}
    return {name: value for name, value in body.items() if value is not ...}


def read(body: dict[str, Any], template: ChatTemplate | None = None) -> ChatQuestion:
    found = recognise(msgspec.json.encode(body), template)
    assert isinstance(found, ChatQuestion), found
    return found


def refused(body: dict[str, Any], template: ChatTemplate | None = None) -> str:
    found = recognise(msgspec.json.encode(body), template)
    assert isinstance(found, str), found
    return found


@pytest.mark.parametrize(
    ("schema", "slot"),
    [
        (OBJECT, Slot(is_json=True, key="topic")),
        (ENUM, Slot(is_json=True)),
        (
            {"$defs": {"T": ENUM}, "properties": {"t": {"$ref": "#/$defs/T"}}, "type": "object"},
            Slot(is_json=True, key="t"),
        ),
    ],
)
def test_a_response_format_that_is_one_enum_is_a_choice(schema: object, slot: Slot) -> None:
    found = read(asking(schema=schema))
    assert (found.text, found.slot) == (TEXT, slot)
    assert found.labels == ("billing", "delivery")
    assert found.question.options[-1].value == OTHER


def test_a_template_parts_the_text_from_the_wording() -> None:
    body = asking("Sort this: two\nlines\nOne word.", response_format=...)
    found = read(body, TEMPLATE)
    assert (found.text, found.slot) == ("two\nlines", Slot(is_json=False))
    assert read(asking([{"type": "text", "text": TEXT}])).text == TEXT


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tools": [{"type": "function"}]}, "`tools`"),
        ({"functions": [{"name": "f"}]}, "`functions`"),
        ({"web_search_options": {"a": 1}}, "`web_search_options`"),
        ({"n": 2}, "more than one answer"),
        ({"logprobs": True}, "log probabilities"),
        ({"store": True}, "to store"),
        ({"modalities": ["text", "audio"]}, "more than text"),
        ({"response_format": ...}, "neither a template"),
        ({"response_format": {"type": "json_object"}}, "no JSON schema"),
        ({"schema": {"type": "object", "properties": {"a": ENUM, "b": ENUM}}}, "other properties"),
        ({"schema": {**OBJECT, "additionalProperties": True}}, "further properties"),
        ({"schema": {"type": "string"}}, "no enum"),
        ({"schema": {"enum": [1, 2]}}, "no enum"),
        ({"schema": {"enum": ["a", "a"]}}, "no enum"),
        ({"schema": {"enum": ["only"]}}, "no enum"),
        ({"schema": {"enum": ["a", OTHER]}}, "reserved"),
        ({"text": "  "}, "empty"),
        ({"text": "\u200b"}, "empty"),
        ({"text": None}, "no text"),
        ({"text": [{"type": "image_url", "image_url": {"url": "u"}}]}, "more than one text"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "more than one turn"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"},
                ]
            },
            "more than one turn",
        ),
    ],
)
def test_anything_more_than_a_question_goes_up(change: dict[str, Any], why: str) -> None:
    assert why in refused(asking(**change))


def test_a_turn_that_the_template_does_not_match_goes_up() -> None:
    assert refused(asking("Something else", response_format=...), TEMPLATE) == (
        "the template does not match"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"temperature": 0.5},
        {"seed": 1},
        {"schema": {**OBJECT, "title": "another"}},
        {"unknown_field": 1},
        {"messages": [{"role": "system", "content": "?"}, {"role": "user", "content": TEXT}]},
    ],
)
def test_whatever_may_alter_the_answer_makes_another_question(change: dict[str, Any]) -> None:
    assert read(asking(**change)).question != read(asking()).question


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Another text"},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "u"},
        {"metadata": {"a": "b"}},
        {"store": False},
    ],
)
def test_what_does_not_alter_the_answer_leaves_the_question(change: dict[str, Any]) -> None:
    assert read(asking(**change)).question == read(asking()).question


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("(", "RE2"), ("no group", "0 groups"), ("(a)(b)", "2 groups"), (r"(a)\1", "RE2")],
)
def test_a_template_is_re2_with_one_group(pattern: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        compile_template(pattern)


def test_no_template_takes_exponential_time() -> None:
    # A backtracking engine would not come to an end here.
    assert compile_template("((?:a+)+)b").fullmatch("a" * 50_000) is None


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ('{"topic":"billing"}', "billing"),
        ('{ "topic" : "delivery" }\n', "delivery"),
        ('{"topic":"fraud"}', OTHER),
        ('{"topic":"billing","why":"x"}', OTHER),
        ('"billing"', OTHER),
        ("billing", OTHER),
        ('{"topic":["billing"]}', OTHER),
        (None, OTHER),
    ],
)
def test_only_exactly_a_label_is_one(content: str | None, label: str) -> None:
    assert label_in(content, read(asking())) == label


def test_a_bare_label_may_stand_between_spaces() -> None:
    asked = read(asking("Sort this: x\nOne word.", response_format=...), TEMPLATE)
    assert label_in(" billing\n", asked) == "billing"
    assert label_in("billing.", asked) == OTHER


@pytest.mark.parametrize(
    ("content", "slot", "label", "other", "expected"),
    [
        ('{"t": "a"}', Slot(is_json=True, key="t"), "a", 'b"', '{"t": "b\\""}'),
        ("a\n", Slot(is_json=False), "a", "b", "b\n"),
        (
            '{"t":"\\u00e9"}',
            Slot(is_json=True, key="t"),
            "é",
            "ü😀",
            '{"t":"\\u00fc\\ud83d\\ude00"}',
        ),
    ],
)
def test_another_label_is_written_as_the_upstream_writes(
    content: str, slot: Slot, label: str, other: str, expected: str
) -> None:
    writing = writing_of(content, label, slot)
    assert writing is not None
    assert written(label, slot, writing) == content
    assert written(other, slot, writing) == expected


def test_a_label_that_is_the_propertys_name_too_tells_no_form() -> None:
    assert writing_of('{"a":"a"}', "a", Slot(is_json=True, key="a")) is None
