"""The node's own list of models, in one shape that clients of OpenAI and of Anthropic both read."""

from collections.abc import Sequence
from typing import Literal

import msgspec

_ENCODE = msgspec.json.Encoder().encode


class Model(msgspec.Struct):
    """A model name that this node takes."""

    id: str
    created: int = 0
    """The dialect wants a time; when a name came into use is not known."""
    owned_by: str = "tidegate"
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    display_name: str = ""
    created_at: str = "1970-01-01T00:00:00Z"
    """Anthropic's way to say that the time is not known."""


class ModelList(msgspec.Struct):
    """All names, without the `*` that takes any other."""

    data: list[Model]
    object: Literal["list"] = "list"
    has_more: Literal[False] = False
    first_id: str | None = None
    last_id: str | None = None


def encode_models(names: Sequence[str]) -> bytes:
    """Encode the list."""
    first, last = (names[0], names[-1]) if names else (None, None)
    return _ENCODE(ModelList([_model(name) for name in names], first_id=first, last_id=last))


def encode_model(name: str) -> bytes:
    """Encode one entry."""
    return _ENCODE(_model(name))


def _model(name: str) -> Model:
    return Model(name, display_name=name)
