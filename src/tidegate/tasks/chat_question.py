"""Tells which typed question a chat request asks, and how an answer to it is written. Pure.

Two forms are known: a `response_format` whose only content is one enum, and the operator's
template, whose one group is the text and whose answer is one of the labels listed with it.
Everything else of the request belongs to the wording: one other word, model or setting is another
question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import msgspec

from tidegate.domain.pattern import Pattern, compile_pattern
from tidegate.domain.question import Decision, Option, Question
from tidegate.domain.request import Decisions
from tidegate.domain.route import ChatTemplate
from tidegate.domain.text import is_blank
from tidegate.errors import ConfigError

OTHER = "(another answer)"
"""Label of an answer that is none of the labels: it counts as one, and is never given here."""
FEWEST_LABELS = 2
MOST_LABELS = 1_000

_BESIDE_THE_QUESTION = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream",
        "stream_options",
        "user",
    }
)
"""Fields that do not alter what is answered."""
_BEYOND = ("tools", "functions", "audio", "prediction", "web_search_options")
_FIXED_ROLES = frozenset({"system", "developer"})
_MODALITIES = (None, ["text"])

_DECODE = msgspec.json.Decoder(dict[str, object]).decode
_ENCODE = msgspec.json.Encoder(order="sorted").encode

Object = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the label stands in an answer: in an object's one property, as JSON, or bare."""

    is_json: bool
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """What a chat request asks, as a decision would ask it."""

    question: Question
    text: str
    slot: Slot

    @property
    def ask(self) -> Decisions:
        """Give it as a decision would be asked."""
        return Decisions((self.question,), self.text)

    @property
    def labels(self) -> tuple[str, ...]:
        """Give what the upstream is to choose from."""
        return tuple(
            option.value
            for option in self.question.options
            if isinstance(option.value, str) and option.value != OTHER
        )


@dataclass(frozen=True, slots=True)
class Writing:
    """How an upstream writes its answers: what stands before and after the label."""

    before: str
    after: str
    is_ascii: bool = False
    """Letters beyond ASCII are escaped."""


@lru_cache(maxsize=1_024)
def compile_template(pattern: str) -> Pattern:
    """Compile a template; raises ConfigError unless it is RE2 with exactly one group."""
    compiled = compile_pattern(pattern, called="template")
    if compiled.groups != 1:
        raise ConfigError(
            f"the template {pattern!r} has {compiled.groups} groups; exactly one must hold the text"
            " (write the others as `(?:...)`)"
        )
    return compiled


def recognise(body: bytes, template: ChatTemplate | None = None) -> ChatQuestion | str:
    """Read a chat request as a question; a string says why it is none. `body` is checked JSON."""
    try:
        asked = _DECODE(body)
        return _recognise(asked, template)
    except (msgspec.MsgspecError, RecursionError):
        return "the request cannot be read"


def _recognise(asked: Object, template: ChatTemplate | None) -> ChatQuestion | str:
    obstacle = _obstacle(asked)
    if obstacle is not None:
        return obstacle
    slot, labels = Slot(is_json=False), template.labels if template else ()
    form = asked.get("response_format")
    if isinstance(form, dict) and form.get("type") != "text":
        found = _enum_of(form)
        if isinstance(found, str):
            return found
        slot, labels = found
    if not labels:
        return "neither a template nor the response format names the possible answers"
    if OTHER in labels:
        return f"the label {OTHER} is reserved"
    messages = msgspec.convert(asked["messages"], list[dict[str, object]])
    parted = _parted(messages, template)
    if isinstance(parted, str):
        return parted
    text, fixed = parted
    frame = {name: value for name, value in asked.items() if name not in _BESIDE_THE_QUESTION}
    wording = sha256(_ENCODE({**frame, "messages": fixed})).hexdigest()
    options = tuple(Option(label) for label in (*labels, OTHER))
    question = Question("choice", None, f"chat {asked['model']} {wording}", options)
    return ChatQuestion(question, text, slot)


def label_in(content: str | None, asked: ChatQuestion) -> str:
    """Give the label that an answer consists of; OTHER for any other answer."""
    if content is None:
        return OTHER
    value: object = content.strip()
    if asked.slot.is_json:
        try:
            value = msgspec.json.decode(content)
        except (msgspec.MsgspecError, RecursionError):
            return OTHER
    if asked.slot.key is not None:
        if not isinstance(value, dict) or set(value) != {asked.slot.key}:
            return OTHER
        value = value[asked.slot.key]
    return value if isinstance(value, str) and value in asked.labels else OTHER


def as_decision(label: str, asked: ChatQuestion) -> Decision:
    """Give what an upstream said as the answer to the question; it states no probabilities."""
    sure = [1.0 if option.value == label else 0.0 for option in asked.question.options]
    return Decision(tuple(sure), 1.0)


def writing_of(content: str, label: str, slot: Slot) -> Writing | None:
    """Tell how `label` was written, so that others are written alike; None where that is unclear.

    Unclear is a label whose text occurs twice, say as the name of the property as well.
    """
    for is_ascii in (False, True):
        word = _word(label, slot, is_ascii=is_ascii)
        if content.count(word) == 1:
            before, _, after = content.partition(word)
            return Writing(before, after, is_ascii)
    return None


def written(label: str, slot: Slot, writing: Writing) -> str:
    """Write an answer as the upstream does."""
    return f"{writing.before}{_word(label, slot, is_ascii=writing.is_ascii)}{writing.after}"


def _word(label: str, slot: Slot, *, is_ascii: bool) -> str:
    if not slot.is_json:
        return label
    plain = msgspec.json.encode(label).decode()
    if not is_ascii:
        return plain
    return "".join(one if one.isascii() else _escaped(one) for one in plain)


def _escaped(letter: str) -> str:
    """Write a letter as JSON escapes, beyond the basic plane as two."""
    units = letter.encode("utf-16-be")
    return "".join(
        f"\\u{units[place] << 8 | units[place + 1]:04x}" for place in range(0, len(units), 2)
    )


def _obstacle(asked: Object) -> str | None:
    """Say what makes a request more than a question about a text."""
    for name in _BEYOND:
        if asked.get(name):
            return f"the request has `{name}`"
    if asked.get("n") not in (None, 1):
        return "more than one answer is asked for"
    if asked.get("logprobs") or asked.get("top_logprobs"):
        return "log probabilities are asked for"
    if asked.get("store"):
        return "the upstream is to store the answer"
    if asked.get("modalities") not in _MODALITIES:
        return "the answer is to be more than text"
    return None


def _parted(
    messages: Sequence[Object], template: ChatTemplate | None
) -> tuple[str, list[object]] | str:
    """Part the variable text from the rest of the messages."""
    *before, last = messages
    if last.get("role") != "user" or any(one.get("role") not in _FIXED_ROLES for one in before):
        return "there is more than one turn"
    content = last.get("content")
    is_list = isinstance(content, list)
    if isinstance(content, list):
        if len(content) != 1 or content[0].get("type") != "text":
            return "the turn holds more than one text"
        content = content[0].get("text")
    if not isinstance(content, str):
        return "the turn holds no text"
    start, end = 0, len(content)
    if template is not None:
        found = compile_template(template.pattern).fullmatch(content)
        if found is None:
            return "the template does not match"
        start, end = found.span(1)
    text = content[max(start, 0) : max(end, 0)]
    if is_blank(text):
        return "the text is empty"
    rest = {name: value for name, value in last.items() if name != "content"}
    fixed = {**rest, "form": is_list, "around": [content[:start], content[end:]]}
    return text, [*before, fixed]


def _enum_of(form: Object) -> tuple[Slot, tuple[str, ...]] | str:
    """Read a response format as a choice of labels."""
    named = form.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if form.get("type") != "json_schema" or not isinstance(schema, dict):
        return "the response format is no JSON schema"
    definitions = schema.get("$defs")
    key = None
    inner: object = schema
    if "properties" in schema:
        properties = schema["properties"]
        if not isinstance(properties, dict) or len(properties) != 1:
            return "the response format has other properties than one"
        if schema.get("additionalProperties"):
            return "the response format allows further properties"
        ((key, inner),) = properties.items()
    labels = _labels(inner, definitions if isinstance(definitions, dict) else {})
    if labels is None:
        return "the response format is no enum of texts"
    return Slot(is_json=True, key=key), labels


def _labels(schema: object, definitions: Object) -> tuple[str, ...] | None:
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        schema = definitions.get(schema["$ref"].removeprefix("#/$defs/"))
    values = schema.get("enum") if isinstance(schema, dict) else None
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        return None
    if len(set(values)) != len(values) or not FEWEST_LABELS <= len(values) <= MOST_LABELS:
        return None
    return tuple(values)
