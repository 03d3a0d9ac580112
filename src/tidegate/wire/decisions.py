"""The request of `POST /v1/decisions`: its types, its facts, and narrowing it to some questions.

The answer's side is `decisions_answer`.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from tidegate.domain.question import Option, Question
from tidegate.domain.request import Decisions
from tidegate.domain.text import is_blank
from tidegate.errors import InvalidRequest
from tidegate.wire.chat_request import ModelName
from tidegate.wire.decisions_input import (
    InputItem,
    InputPart,
    Object,
    check_items,
    check_parts,
    text_of_items,
    text_of_parts,
)
from tidegate.wire.fields import read_fields, rewrite
from tidegate.wire.typed import decode_request

Instructions = Annotated[
    Annotated[str, msgspec.Meta(min_length=1)]
    | Annotated[list[InputPart], msgspec.Meta(min_length=1)],
    msgspec.Meta(description="Text, or parts of text, JSON and images; not blank."),
]


class AskedChoice(msgspec.Struct):
    """One of the values to choose from; `"true"` and `true` are different ones."""

    value: str | bool
    description: str | None = None


class AskedLevel(msgspec.Struct):
    """One level of a rating."""

    label: str
    description: str | None = None


class AskedPredicate(msgspec.Struct, tag_field="type", tag="predicate"):
    """How likely is this statement to be true?"""

    instructions: Instructions
    name: str | None = None


class AskedChoices(msgspec.Struct, tag_field="type", tag="choice"):
    """Which of the choices is right?"""

    instructions: Instructions
    choices: Annotated[list[AskedChoice], msgspec.Meta(min_length=2, max_length=255)]
    name: str | None = None


class AskedScore(msgspec.Struct, tag_field="type", tag="score"):
    """Which of the levels, lowest first, is right?"""

    instructions: Instructions
    levels: Annotated[list[AskedLevel], msgspec.Meta(min_length=2, max_length=10)]
    name: str | None = None


Asked = AskedPredicate | AskedChoices | AskedScore


class DecisionsRequest(msgspec.Struct):
    """The body of a decisions request."""

    model: ModelName
    input: Annotated[
        Annotated[str, msgspec.Meta(min_length=1)]
        | Annotated[list[InputItem], msgspec.Meta(min_length=1)],
        msgspec.Meta(description="What to decide about."),
    ]
    questions: Annotated[list[Asked], msgspec.Meta(min_length=1)]
    prompt_cache_key: str | None = None
    prompt_cache_options: Object | None = None
    safety_identifier: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    stream: Annotated[bool, msgspec.Meta(extra_json_schema={"const": False})] | None = None


_DECODE = msgspec.json.Decoder(DecisionsRequest).decode
_DECODE_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw]).decode
_ENCODE = msgspec.json.Encoder().encode


def decode_decisions(body: bytes, *, max_questions: int = 400) -> tuple[str, Decisions]:
    """Read the model's name, the questions and the text, all checked; raises InvalidRequest."""
    request = read_request(body)
    _check(request, max_questions)
    questions = tuple(_question(asked) for asked in request.questions)
    text: str | None
    if isinstance(request.input, str):
        text, obstacle = request.input, None
    else:
        text, obstacle = text_of_items(request.input)
    if text is not None and is_blank(text):
        text, obstacle = None, "no text"
    return request.model, Decisions(questions, text, obstacle)


def read_request(body: bytes) -> DecisionsRequest:
    """Decode a request without the checks that `decode_decisions` made at the edge."""
    return decode_request(_DECODE, body)


def read_questions(body: bytes) -> tuple[Question, ...]:
    """Read the questions of a request that was checked at the edge."""
    return tuple(_question(asked) for asked in read_request(body).questions)


def narrow(body: bytes, indexes: Sequence[int], model: str) -> bytes:
    """Keep only the questions at `indexes`, in that order, and name `model`.

    Whatever else the body holds keeps its bytes; `body` itself comes back when nothing changes.
    """
    fields = read_fields(body)
    questions = _DECODE_ELEMENTS(fields["questions"])
    values = {"model": _ENCODE(model)}
    if list(indexes) != list(range(len(questions))):
        values["questions"] = _ENCODE([questions[index] for index in indexes])
    return rewrite(body, fields, values=values)


def _check(request: DecisionsRequest, max_questions: int) -> None:
    """Check what the types cannot say."""
    if request.stream:
        raise InvalidRequest("Decisions cannot be streamed.", param="stream")
    if len(request.questions) > max_questions:
        raise InvalidRequest(
            f"`questions` holds {len(request.questions)}; at most {max_questions} are taken.",
            param="questions",
        )
    if not isinstance(request.input, str):
        check_items(request.input)
    names: set[str] = set()
    for index, asked in enumerate(request.questions):
        _check_question(asked, f"questions[{index}]", names)


def _check_question(asked: Asked, place: str, names: set[str]) -> None:
    """Check one question; `names` are those of the questions before it."""
    text = text_of_parts(asked.instructions)
    if text is not None and not text.strip():
        raise InvalidRequest(f"`{place}.instructions` is blank.", param=f"{place}.instructions")
    check_parts(asked.instructions, f"{place}.instructions")
    if asked.name is not None:
        if asked.name in names:
            raise InvalidRequest(
                f"`{place}.name` is the name of an earlier question.", param=f"{place}.name"
            )
        names.add(asked.name)
    if isinstance(asked, AskedChoices):
        values = {(type(choice.value), choice.value) for choice in asked.choices}
        if len(values) < len(asked.choices):
            raise InvalidRequest(
                f"`{place}.choices` holds a value twice.", param=f"{place}.choices"
            )


def _question(asked: Asked) -> Question:
    instructions = text_of_parts(asked.instructions)
    match asked:
        case AskedPredicate():
            return Question("predicate", asked.name, instructions)
        case AskedChoices():
            options = tuple(Option(item.value, item.description) for item in asked.choices)
            return Question("choice", asked.name, instructions, options)
        case AskedScore():
            options = tuple(Option(item.label, item.description) for item in asked.levels)
            return Question("score", asked.name, instructions, options)
