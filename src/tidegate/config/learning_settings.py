"""Settings of `learning`: what is kept of forwarded traffic, and how it is audited."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tidegate.config.words import Name
from tidegate.domain.learn_policy import LearnRole

_Share = Annotated[float, Meta(gt=0, le=1)]


class LearningSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning from forwarded traffic, for the routes that say `learn: true`."""

    role: Annotated[
        LearnRole,
        Meta(
            description="What this node does about the tasks of such routes. `learn` (default): it"
            " fits, tests and grants. `collect`: it sends labels to the learner and serves what was"
            " learned there. `serve`: the same, but it sends counts of its audits and no labels."
        ),
    ] = "learn"
    learner: Annotated[
        Name | None,
        Meta(
            description="With `collect` and `serve`: name of the upstream of kind `tidegate` that"
            " learns. Its `api_key` is a key of that node with role `node` and scope `learn`."
            " Labels go there only where its `zone` is this node's own."
        ),
    ] = None
    pull_s: Annotated[
        float,
        Meta(
            gt=0,
            le=3_600,
            description="With `collect` and `serve`: seconds between two questions to the learner"
            " whether what it granted still stands. Default 2.",
        ),
    ] = 2.0
    lapse_s: Annotated[
        float,
        Meta(
            ge=1,
            le=604_800,
            description="With `collect` and `serve`: seconds after the learner's last word for it"
            " until a guarantee lapses here and everything goes up. Default 900.",
        ),
    ] = 900.0
    bundle_zones: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="With `learn`: zones beside this node's own whose nodes may pull what was"
            " learned here. Labels come from its own zone alone. Default: none."
        ),
    ] = ()
    max_error: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="For questions that no task names: share of local answers that may differ"
            " from the upstream's. Default 0.02.",
        ),
    ] = 0.02
    expires_after_days: Annotated[
        float,
        Meta(
            gt=0,
            le=366,
            description="For tasks without a `max_error` of their own: age at which a guarantee"
            " expires, unless audit rows since show it anew. Default 30.",
        ),
    ] = 30.0
    expires_after_answers: Annotated[
        int,
        Meta(
            ge=1,
            description="For the same tasks: answers, repeats from the cache included, after which"
            " it does. Default 1,000,000.",
        ),
    ] = 1_000_000
    automatic_tasks: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000,
            description="Questions without a task that are learned, of each tenant; each gets a"
            " task of its own. Default 20.",
        ),
    ] = 20
    audit_share: Annotated[
        _Share,
        Meta(
            description="Share of requests that the upstream labels although this node could"
            " answer them. Default 0.02. Another share begins another sample; after an alarm it is"
            " doubled for a while."
        ),
    ] = 0.02
    audits_per_day: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Calls a day that audits of one task may cost, of all workers together."
            " A day begins at midnight UTC. Default 2,000.",
        ),
    ] = 2_000
    audits_at_once: Annotated[
        int,
        Meta(ge=1, le=64, description="Audit calls under way at the same time. Default 2."),
    ] = 2
    twice_share: Annotated[
        Annotated[float, Meta(ge=0, le=1)],
        Meta(
            description="Share of requests put to the upstream twice, to know how far it is from"
            " itself. Default 0.01."
        ),
    ] = 0.01
    feedback_days: Annotated[
        float,
        Meta(
            ge=0,
            le=365,
            description="Days after an answer during which `POST /v1/feedback` takes a label for"
            " it; 0 takes none and keeps no row of local answers. Default 7.",
        ),
    ] = 7.0
    keep_days: Annotated[
        float, Meta(gt=0, le=3_660, description="Age in days at which a label goes. Default 90.")
    ] = 90.0
    keep_rows: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="Labels kept of one task for fitting, divided among its classes, and as"
            " many for each of calibrating and testing. Default 20,000: about 25 MB.",
        ),
    ] = 20_000
