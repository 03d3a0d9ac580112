"""Settings of `tasks`: the question that a head answers here, and how sure it has to be."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidegate.config.route_settings import TargetSettings
from tidegate.config.words import Name, Text
from tidegate.domain.bundle import Pooling
from tidegate.domain.learn_policy import LearnRole

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


class GuaranteeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the guarantee of a task is computed."""

    mode: Annotated[
        Literal["ltt", "crc"],
        Meta(
            description="`ltt`: at most `max_error` of local answers are wrong, with `confidence`."
            " `crc`: wrong local answers are at most `max_error` of all requests, on average."
        ),
    ] = "ltt"
    unit: Annotated[
        Literal["delivered answer", "distinct decision"],
        Meta(
            description="What one count is: each answer that a client got, repeats and cached ones"
            " included, or each different text once."
        ),
    ] = "delivered answer"
    label_source: Annotated[
        Literal["gold", "human", "agreement"],
        Meta(
            description="What labels are: `agreement` with the upstream, or the truth (`gold`,"
            " `human`). With `agreement` a wrong answer is called a disagreement."
        ),
    ] = "agreement"
    levels_off: Annotated[
        int, Meta(ge=0, le=9, description="Scores: levels off that still count as right.")
    ] = 0
    cut: Annotated[
        float,
        Meta(gt=0, lt=1, description="Predicates: P(true) from which on it counts as true."),
    ] = 0.5
    critical: Annotated[
        tuple[str | bool, ...],
        Meta(
            description="Labels of which at most `max_error` may be answered here as another one,"
            " shown on rows of their own, as in `[fraud]`."
        ),
    ] = ()
    together: Annotated[
        tuple[Name, ...],
        Meta(
            max_length=15,
            description="Other tasks whose questions come in the same requests. `max_error` then"
            " bounds the share of requests in which any of these answers is wrong, and all of them"
            " are answered here or none is. They take this task's promise: give them no"
            " `max_error` of their own. Tested by `tidegate guarantee` on a file of requests; a"
            " node that learns from traffic promises each question by itself, and refuses this.",
        ),
    ] = ()
    expires_after_days: Annotated[
        float,
        Meta(
            gt=0,
            le=366,
            description="Age at which it expires, unless audit rows since show it anew. Default"
            " 30.",
        ),
    ] = 30.0
    expires_after_answers: Annotated[
        int,
        Meta(
            ge=1,
            description="Local answers, repeats from the cache included, after which it does."
            " Default 1,000,000.",
        ),
    ] = 1_000_000


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
            " `threshold`; `max_error` is the better way."
        ),
    ] = False
    max_error: Annotated[
        Annotated[float, Meta(gt=0, lt=0.5)] | None,
        Meta(
            description="Share of local answers that may be wrong, for example 0.02. This node"
            " answers only where a test on audit rows shows it. Default: none, so nothing is"
            " promised."
        ),
    ] = None
    confidence: Annotated[
        float,
        Meta(
            gt=0.5,
            lt=1,
            description="With which confidence `max_error` is shown. Default 0.95.",
        ),
    ] = 0.95
    client_max_errors: Annotated[
        tuple[Annotated[float, Meta(gt=0, lt=0.5)], ...],
        Meta(
            max_length=8,
            description="Stricter ones that clients may ask for by `x-tidegate-max-error`. Each is"
            " tested by itself and shares the confidence, so each costs audit rows.",
        ),
    ] = ()
    guarantee: Annotated[GuaranteeSettings, Meta(description="How the guarantee is computed.")] = (
        GuaranteeSettings()
    )
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
    role: Annotated[
        LearnRole | None,
        Meta(
            description="What this node does about learning this task, where that is not"
            " `learning.role`."
        ),
    ] = None
    static_first: Annotated[
        bool,
        Meta(
            description="Static embeddings answer first where they are sure enough, in tens of"
            " microseconds, and the encoder looks at the rest. They do where training has shown"
            " that this costs half a point of accuracy at most. Default true."
        ),
    ] = True
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
