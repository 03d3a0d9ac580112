"""Settings of `encoder`: which text encoder runs here, and how it shares the processor."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_MODEL = "^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"


class EncoderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text encoder of this node."""

    threads: Annotated[
        int, Meta(ge=1, le=256, description="Texts encoded at the same time. Default 1.")
    ] = 1
    queue: Annotated[
        int, Meta(ge=1, le=100_000, description="Texts that may wait; more get 503. Default 256.")
    ] = 256
    windows: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Windows in which a long text is read, each a run of the encoder; the rest"
            " is cut and said to be. Default 4: about 900 tokens of the encoder that ships.",
        ),
    ] = 4
    path: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Folder of another encoder, see docs/encoder.md; relative to this file."
            " Default: the one that ships.",
        ),
    ] = None
    hub: Annotated[
        Annotated[str, Meta(pattern=_MODEL)] | None,
        Meta(
            description="Name of a model on a hub, as `owner/name`, fetched once into the state"
            " directory. Needs `revision`. Nothing is fetched unless this is set.",
        ),
    ] = None
    revision: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{40}$")] | None,
        Meta(
            description="Commit of the model on the hub, 40 hexadecimal digits.",
        ),
    ] = None
    hub_url: Annotated[
        str, Meta(pattern="^https?://", description="The hub. Default https://huggingface.co.")
    ] = "https://huggingface.co"
    key: Annotated[
        str | None,
        Meta(
            description="Reference to a key for the hub: `env:NAME` or `file:PATH`. Default: none"
            " is sent, whatever lies on this machine."
        ),
    ] = None
    pooling: Annotated[
        Literal["mean", "cls"] | None,
        Meta(
            description="How token states become one vector, where the encoder's folder does not"
            " say it: `mean`, or `cls` for the first token."
        ),
    ] = None
    prefix: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(
            description="Stands before every text, as in `query: `; the model's card says whether"
            " it was trained with one. Part of the fingerprint. Default: what the folder says.",
        ),
    ] = None
    dimensions: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_536)], ...] | None,
        Meta(
            description="Shorter lengths that the model was trained for (Matryoshka), which"
            " `dimensions` of an embeddings request may ask for. Default: what the folder says."
        ),
    ] = None
