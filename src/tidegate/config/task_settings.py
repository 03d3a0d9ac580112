"""Settings of `tasks`: the question that a head answers here, and how sure it has to be."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tidegate.config.route_settings import TargetSettings
from tidegate.config.words import Name, Text
from tidegate.domain.bundle import Pooling

_Description = Annotated[
    str | None, Meta(description="What it means; part of the question's wording.")
]
_Instructions = Annotated[
    Text,
    Meta(description="The wording that clients send. One other word is another question."),
]


class ChoiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One choice."""

    value: Annotated[
        str | bool, Meta(description='Value in the answer; `"true"` and `true` are different.')
    ]
    description: _Description = None


class LevelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One level of a score."""

    label: Annotated[Text, Meta(description="Name of the level.")]
    description: _Description = None


class PredicateSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="predicate",
):
    """A statement that is true or not."""

    instructions: _Instructions


class ChoiceQuestionSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="choice",
):
    """One of several choices."""

    instructions: _Instructions
    choices: Annotated[
        tuple[ChoiceSettings, ...],
        Meta(min_length=2, max_length=255, description="The choices."),
    ]


class ScoreSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="score",
):
    """A level on a scale."""

    instructions: _Instructions
    levels: Annotated[
        tuple[LevelSettings, ...],
        Meta(min_length=2, max_length=10, description="The levels, lowest first."),
    ]


QuestionSettings = PredicateSettings | ChoiceQuestionSettings | ScoreSettings


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task. It also brings the model name `tidegate/NAME`."""

    question: Annotated[
        QuestionSettings | None,
        Meta(
            description="The question whose wording the bundle is trained for. Without one, only"
            " `accept_names` lets a bundle answer."
        ),
    ] = None
    bundle: Annotated[
        Name | None, Meta(description="Name of the bundle. Default: the task's own name.")
    ] = None
    bundle_version: Annotated[
        Name | None, Meta(description="Version to stay on. Default: the newest.")
    ] = None
    threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="Least confidence, from 0 to 1, of an answer that this node gives itself."
            " Default: none, so every question goes up.",
        ),
    ] = None
    unguaranteed: Annotated[
        bool,
        Meta(
            description="You accept a threshold that no audit sample has tested. Needed with"
            " `threshold` until a later version computes guarantees."
        ),
    ] = False
    accept_names: Annotated[
        tuple[Text, ...],
        Meta(
            description="Names of questions that the bundle may answer whatever their wording, as"
            " long as their choices are its labels. You vouch that they mean the same."
        ),
    ] = ()
    shared: Annotated[
        bool,
        Meta(
            description="Learn from the traffic of all tenants together, for all of them. Default"
            " no: each tenant's labels are its own, and nobody else's can alter its answers."
        ),
    ] = False
    pooling: Annotated[
        Pooling,
        Meta(
            description="What counts of a text that takes several windows: `mean` (default), or"
            " `max`, for each label the window that speaks for it most, as in moderation. Goes into"
            " the bundle at training."
        ),
    ] = "mean"
    allow_truncated: Annotated[
        bool,
        Meta(
            description="Answer a text here even when it is longer than `encoder.windows` windows,"
            " so that its end is not read. Default: such a text goes up."
        ),
    ] = False
    upstreams: Annotated[
        tuple[Name | TargetSettings, ...],
        Meta(
            description="Upstreams for the model name `tidegate/NAME`, nearest first; give `model`"
            " where the upstream does not know that name."
        ),
    ] = ()
