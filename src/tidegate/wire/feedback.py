"""The request and the answer of `POST /v1/feedback`."""

from typing import Annotated, Literal

import msgspec

from tidegate.domain.feedback import Source
from tidegate.wire.typed import decode_request


class FeedbackRequest(msgspec.Struct):
    """What the right answer to a question of an earlier request is."""

    request_id: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=128, description="The `x-request-id` of the node's answer."
        ),
    ]
    label: Annotated[
        str | bool,
        msgspec.Meta(
            description="One of the question's values; of a predicate `true` or `false`, of a score"
            " the label of the level."
        ),
    ]
    question: Annotated[
        int,
        msgspec.Meta(ge=0, le=10_000, description="Place of the question in the request, from 0."),
    ] = 0
    task: Annotated[
        str | None,
        msgspec.Meta(description="Name of the question's task; checked where it is given."),
    ] = None
    source: Annotated[
        Source,
        msgspec.Meta(
            description="`user`: who used the answer says so. `human`: who was asked to check it."
        ),
    ] = "user"


class FeedbackAnswer(msgspec.Struct):
    """What was taken down."""

    request_id: str
    question: int
    task: str
    label: str | bool
    source: Source
    object: Literal["feedback"] = "feedback"


_DECODE = msgspec.json.Decoder(FeedbackRequest).decode
_ENCODE = msgspec.json.Encoder().encode


def decode_feedback(body: bytes) -> FeedbackRequest:
    """Read a request; raises InvalidRequest naming the field."""
    return decode_request(_DECODE, body)


def encode_feedback(answer: FeedbackAnswer) -> bytes:
    """Write an answer."""
    return _ENCODE(answer)
