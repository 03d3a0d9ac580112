"""The schemas of `openapi.json`, made from the types that decode and encode the bodies."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from tidegate.domain.record import Record
from tidegate.wire.anthropic_message import MessageAnswer, MessageFailureBody, TokenCount
from tidegate.wire.anthropic_surface import CountTokensRequest, MessagesRequest
from tidegate.wire.chat_completion import ChatCompletion, ChatCompletionChunk
from tidegate.wire.chat_request import ChatRequest
from tidegate.wire.completions_answer import CompletionAnswer
from tidegate.wire.completions_request import CompletionRequest
from tidegate.wire.decisions import DecisionsRequest
from tidegate.wire.decisions_answer import DecisionsAnswer
from tidegate.wire.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tidegate.wire.exchange import (
    CountsBody,
    CountsTaken,
    LabelsBody,
    LabelsTaken,
    OffersBody,
    PurgeBody,
    PurgeDone,
)
from tidegate.wire.failures import FailureBody
from tidegate.wire.feedback import FeedbackAnswer, FeedbackRequest
from tidegate.wire.models import Model, ModelList
from tidegate.wire.responses_answer import ResponseAnswer
from tidegate.wire.responses_request import ResponseRequest

Schema = dict[str, Any]


class Alive(msgspec.Struct):
    """The process answers."""

    status: Literal["ok"]


class Ready(msgspec.Struct):
    """Whether the node can serve, and the state of its parts."""

    status: Literal["ok", "not ready"]
    parts: Annotated[
        dict[str, str],
        msgspec.Meta(description="Part to `ok` or to what is wrong with it."),
    ]


TYPES: tuple[type, ...] = (
    Alive,
    ChatCompletion,
    ChatCompletionChunk,
    ChatRequest,
    CompletionAnswer,
    CompletionRequest,
    CountTokensRequest,
    CountsBody,
    CountsTaken,
    DecisionsAnswer,
    DecisionsRequest,
    EmbeddingsAnswer,
    EmbeddingsRequest,
    FailureBody,
    FeedbackAnswer,
    FeedbackRequest,
    LabelsBody,
    LabelsTaken,
    MessageAnswer,
    MessageFailureBody,
    MessagesRequest,
    Model,
    ModelList,
    OffersBody,
    PurgeBody,
    PurgeDone,
    Ready,
    Record,
    ResponseAnswer,
    ResponseRequest,
    TokenCount,
)

_TEXT: Schema = {"type": "string", "minLength": 1}
_TOKENS: Schema = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
_EMBEDDINGS_INPUT: Sequence[Schema] = (
    _TEXT,
    {"type": "array", "items": _TEXT, "minItems": 1},
    _TOKENS,
    {"type": "array", "items": _TOKENS, "minItems": 1},
)
"""The decoder's type has one list for all three kinds and sorts them out afterwards."""

_TEMPLATE = "#/components/schemas/{name}"


def schemas() -> Mapping[str, Schema]:
    """Give all schemas by name, in the order of their names."""
    _, components = msgspec.json.schema_components(TYPES, ref_template=_TEMPLATE)
    components["EmbeddingsRequest"]["properties"]["input"]["anyOf"] = _EMBEDDINGS_INPUT
    return dict(sorted(components.items()))


def ref(kind: type) -> Schema:
    """Refer to the schema of one of `TYPES`."""
    return {"$ref": _TEMPLATE.format(name=kind.__name__)}
