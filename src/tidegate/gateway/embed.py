"""Embeds texts with this node's encoder: the execute stage of an embeddings route that uses it."""

from collections.abc import Sequence

import msgspec

from tidegate.domain.answer import Answer, Usage
from tidegate.domain.encoding import Encoding
from tidegate.domain.request import Embeddings
from tidegate.domain.text import is_blank
from tidegate.errors import InvalidRequest, NoAnswer
from tidegate.gateway.record import Draft
from tidegate.ports.clock import Clock
from tidegate.tasks.embed import choose_dimensions, cut, to_base64, to_floats
from tidegate.wire.embeddings import encode_embeddings


async def embed_here(draft: Draft, ask: Embeddings, clock: Clock) -> Answer:
    """Encode every distinct input once, a few at a time, so that others find room.

    Raises InvalidRequest for what the encoder cannot give, EngineOverloaded, DeadlineExceeded.
    """
    encodings = draft.read_with(draft.generation.encoder, clock)
    if encodings is None:
        raise NoAnswer("policy", "This node has no encoder.")
    encoder = encodings.encoder
    texts = _readable(ask, draft.request.model)
    dimensions = choose_dimensions(
        ask.dimensions, encoder.allowed_dimensions, full=encoder.dimensions
    )
    spell = to_base64 if ask.encoding == "base64" else to_floats

    def spelled(encoding: Encoding) -> tuple[bytes, Encoding]:
        return msgspec.json.encode(spell(cut(encoding.vector, dimensions))), encoding

    try:
        made = await encodings.each(texts, spelled)
    finally:
        draft.note(encodings)
    encoded = clock.monotonic()
    truncated = [index for index, (_, one) in enumerate(made) if one.is_truncated]
    tokens = sum(one.token_count for _, one in made)
    model = f"tidegate/{encoder.name}"
    draft.source = "local"
    draft.place = draft.generation.place
    draft.model = model
    draft.task = "embed"
    draft.reason = "encoder"
    draft.usage = Usage(tokens, 0)
    draft.truncated = len(truncated) or None
    body = encode_embeddings(
        [vector for vector, _ in made],
        model=model,
        tokens=tokens,
        truncated=truncated,
        windows=sum(one.window_count for _, one in made),
    )
    draft.encode_s = clock.monotonic() - encoded
    return Answer(body, model, draft.usage)


def _readable(ask: Embeddings, model: str) -> Sequence[str]:
    """Give the texts; raises InvalidRequest where one holds nothing of which there is a vector."""
    if ask.inputs is None:
        raise InvalidRequest(
            f"`{model}` embeds texts; token ids belong to another tokenizer. Send the texts.",
            param="input",
        )
    for index, text in enumerate(ask.inputs):
        if is_blank(text):
            place = "input" if ask.count == 1 else f"input[{index}]"
            raise InvalidRequest(
                f"`{place}` is blank: it shows nothing but white space. Leave it out.", param=place
            )
    return ask.inputs
