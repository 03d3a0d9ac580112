"""Settings of `routes`: which model names go where, by which rules, cached or not."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidegate.config.words import Name, Text
from tidegate.domain.request import Need
from tidegate.domain.route import Personal

Switch = bool | Literal["on", "off"]
"""In YAML 1.2 `on` is a text; `true` says the same."""
_Tokens = Annotated[int, Meta(ge=0)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upstream and the model's name there."""

    name: Annotated[Name, Meta(description="Name of an entry under `upstreams`.")]
    model: Annotated[
        str, Meta(description="The model's name there. Default: the name that the client gave.")
    ] = ""


class WhenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions of a rule; all that are given must hold."""

    min_tokens: Annotated[
        _Tokens | None, Meta(description="At least so many tokens, estimated from characters.")
    ] = None
    max_tokens: Annotated[
        _Tokens | None, Meta(description="At most so many tokens, estimated from characters.")
    ] = None
    pattern: Annotated[
        Text | None, Meta(description="RE2 pattern, searched in the last user turn.")
    ] = None
    needs: Annotated[
        tuple[Need, ...] | None,
        Meta(
            description="The request needs at least one of these; `[]`: it needs none of any kind."
        ),
    ] = None


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule; the first that holds decides."""

    when: Annotated[
        WhenSettings, Meta(description="Conditions. Default: none, so the rule always holds.")
    ] = WhenSettings()
    to: Annotated[Name, Meta(description="The upstream of this route to begin with.")]


class SurfaceCacheSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Caching of one surface."""

    ttl_s: Annotated[
        float,
        Meta(gt=0, le=2_592_000, description="Seconds that an answer may be repeated."),
    ] = 3_600.0


SurfaceCache = Switch | SurfaceCacheSettings


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Caching by surface; `on`, `off` or an object with `ttl_s`."""

    chat: Annotated[
        SurfaceCache, Meta(description="Chat answers. Default off: people expect new words.")
    ] = "off"
    embeddings: Annotated[
        SurfaceCache, Meta(description="Embeddings. Default on: they do not change.")
    ] = "on"
    decisions: Annotated[SurfaceCache, Meta(description="Decisions. Default on.")] = "on"
    sampled: Annotated[
        bool,
        Meta(description="Also repeat answers asked for with a temperature above 0. Default no."),
    ] = False


class ChatTemplateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which chat requests are a question about a text."""

    pattern: Annotated[
        Text,
        Meta(
            description="RE2 syntax. Matches the whole user turn; its one group is the text, the"
            " rest is wording. Begin with `(?s)` where the text may have several lines."
        ),
    ]
    labels: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=1_000,
            description="What the upstream may answer, each as the whole content. Default: what the"
            " request's `response_format` lists.",
        ),
    ] = ()


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done with some model names."""

    name: Annotated[
        Name | None, Meta(description="Name in records. Default: the first of `models`.")
    ] = None
    models: Annotated[
        tuple[Text, ...],
        Meta(
            min_length=1,
            description="Model names and aliases that clients use; `*` takes all names that no"
            " other route takes.",
        ),
    ]
    upstreams: Annotated[
        tuple[Name | TargetSettings, ...],
        Meta(description="Upstreams to ask, nearest first; the next one when one fails."),
    ] = ()
    local: Annotated[
        Literal["encoder"] | None,
        Meta(
            description="`encoder`: embeddings are made by this node. Excludes `upstreams`, whose"
            " vectors would not compare."
        ),
    ] = None
    strategy: Annotated[
        Literal["ordered", "rules"],
        Meta(description="`ordered` (default) begins with the first upstream, `rules` by rule."),
    ] = "ordered"
    rules: Annotated[
        tuple[RuleSettings, ...],
        Meta(
            description="With `strategy: rules`: where to begin. When none holds, at the last"
            " upstream. Nobody has tested how often a rule is wrong."
        ),
    ] = ()
    edge_first_token_s: Annotated[
        _Seconds,
        Meta(
            description="With `strategy: rules`: seconds that a nearer upstream has to its first"
            " token before the next is asked. Default 0.5."
        ),
    ] = 0.5
    deadline_s: Annotated[
        _Seconds, Meta(description="Seconds for the whole request, over all tries. Default 300.")
    ] = 300.0
    cache: Annotated[
        Switch | CacheSettings,
        Meta(
            description="`off`, `on` (all surfaces), or by surface. Default: embeddings and"
            " decisions are cached, chat is not."
        ),
    ] = CacheSettings()
    forward: Annotated[
        tuple[Personal, ...],
        Meta(
            description="What may go upstream although it can identify a person. Default: nothing."
        ),
    ] = ()
    tasks: Annotated[
        tuple[Name, ...],
        Meta(description="Tasks that may answer decisions of this route on this node."),
    ] = ()
    learn: Annotated[
        bool,
        Meta(
            description="Learn from the upstream's answers, and answer here what a test on an audit"
            " sample allows. Default no: nothing is kept."
        ),
    ] = False
    template: Annotated[
        ChatTemplateSettings | None,
        Meta(
            description="With `learn`: which chat requests are learned. Default: those whose"
            " `response_format` is an enum."
        ),
    ] = None
