"""`POST /v1/embeddings`: the request, our own answer, and reading an answer from elsewhere."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.request import Embeddings
from tidegate.errors import InvalidRequest, MalformedAnswer
from tidegate.wire.chat_request import ModelName
from tidegate.wire.typed import decode_answer, decode_request
from tidegate.wire.usage import read_usage


class EmbeddingsRequest(msgspec.Struct):
    """The body of an embeddings request."""

    model: ModelName
    input: Annotated[
        str | list[str | int | list[int]],
        msgspec.Meta(
            description="A text, a list of texts, the token ids of a text, or a list of such lists."
            " How many inputs a request may hold is set by the operator.",
        ),
    ]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user: str | None = None


class Embedding(msgspec.Struct):
    """One vector, as numbers or as base64 of little-endian 32-bit floats."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingsUsage(msgspec.Struct):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(msgspec.Struct):
    """The vectors in the order of the inputs."""

    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage
    windows: Annotated[
        int,
        msgspec.Meta(
            description="Windows in which the inputs were read; more than inputs when some were"
            " long. Only in local answers."
        ),
    ] = 0
    truncated: Annotated[
        list[int],
        msgspec.Meta(
            description="Indexes of inputs that were longer than the model reads, so that their"
            " end is not in the vector. Only in local answers."
        ),
    ] = []
    object: Literal["list"] = "list"


class _Encoded(msgspec.Struct):
    index: int
    embedding: msgspec.Raw
    object: Literal["embedding"] = "embedding"


class _EncodedAnswer(msgspec.Struct):
    data: list[_Encoded]
    model: str
    usage: EmbeddingsUsage
    truncated: Sequence[int]
    windows: int
    object: Literal["list"] = "list"


class _ReadEmbedding(msgspec.Struct):
    embedding: msgspec.Raw


class _ReadAnswer(msgspec.Struct):
    data: list[_ReadEmbedding]
    model: str | None = None
    usage: Any = None
    error: Any = None


_DECODE = msgspec.json.Decoder(EmbeddingsRequest).decode
_DECODE_ANSWER = msgspec.json.Decoder(_ReadAnswer).decode
_ENCODE = msgspec.json.Encoder().encode


def decode_embeddings(body: bytes, *, max_inputs: int = 2048) -> tuple[str, Embeddings]:
    """Read the model's name and the inputs; raises InvalidRequest."""
    request = decode_request(_DECODE, body)
    inputs, count = _inputs(request.input)
    if count > max_inputs:
        raise InvalidRequest(
            f"`input` holds {count} inputs; at most {max_inputs} are taken.", param="input"
        )
    return request.model, Embeddings(
        inputs=inputs,
        count=count,
        encoding=request.encoding_format or "float",
        dimensions=request.dimensions,
    )


def encode_embeddings(
    vectors: Sequence[bytes],
    *,
    model: str,
    tokens: int,
    truncated: Sequence[int] = (),
    windows: int = 0,
) -> bytes:
    """Encode an answer around vectors that are JSON already: arrays of numbers, or base64 texts.

    `truncated` are the indexes of inputs that were cut, `windows` how many windows the inputs were
    read in; both stand in the answer as extra fields, which the SDKs keep without reading them.
    """
    data = [_Encoded(index, msgspec.Raw(vector)) for index, vector in enumerate(vectors)]
    usage = EmbeddingsUsage(tokens, tokens)
    return _ENCODE(_EncodedAnswer(data, model, usage, truncated, windows))


def read_embeddings_answer(body: bytes) -> tuple[str, Usage | None]:
    """Read the model's name (empty when it is not told) and the usage; raises MalformedAnswer."""
    answer = decode_answer(_DECODE_ANSWER, body, "list of embeddings")
    if not answer.data:
        raise MalformedAnswer("the list of embeddings is empty")
    for index, item in enumerate(answer.data):
        if memoryview(item.embedding)[0] not in b'["':
            raise MalformedAnswer(f"`data[{index}].embedding` is not a vector")
    return answer.model or "", read_usage(answer.usage)


def _inputs(value: str | list[str | int | list[int]]) -> tuple[tuple[str, ...] | None, int]:
    """Give the texts, or None for token ids, and how many inputs there are."""
    if not value:
        raise InvalidRequest("`input` is empty.", param="input")
    if isinstance(value, str):
        return (value,), 1
    kinds = {type(item) for item in value}
    if len(kinds) > 1:
        raise InvalidRequest("`input` mixes texts and token ids; send one kind.", param="input")
    if kinds == {int}:
        return None, 1
    for index, item in enumerate(value):
        if not item:
            raise InvalidRequest(f"`input[{index}]` is empty.", param=f"input[{index}]")
    texts = tuple(item for item in value if isinstance(item, str))
    return texts or None, len(value)
