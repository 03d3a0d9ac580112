"""Settings of routes to `domain.route.Route`, with every check that needs more than one setting."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.config.document import Document
from tidegate.config.problem import Path, spell, suggest
from tidegate.config.route_settings import (
    CacheSettings,
    ChatTemplateSettings,
    RouteSettings,
    RuleSettings,
    SurfaceCache,
    SurfaceCacheSettings,
    Switch,
    TargetSettings,
)
from tidegate.domain.route import CachePolicy, ChatTemplate, Route, Rule, Target
from tidegate.errors import ConfigError
from tidegate.routing.rules import compile_rules
from tidegate.tasks.chat_question import FEWEST_LABELS, OTHER, compile_template

CachedSurface = Literal["chat", "embeddings", "decisions"]

ENCODER_MODEL = "tidegate/all-minilm-l6-v2"
OTHER_ENCODER_MODEL = "tidegate/encoder"
TASK_PREFIX = "tidegate/"


@dataclass(frozen=True, slots=True)
class Known:
    """Names that routes may refer to."""

    upstreams: Collection[str]
    tasks: Collection[str]
    clients_own: Collection[str] = ()
    """Upstreams that are asked with the client's own credential."""


def configure_routes(
    routes: Sequence[RouteSettings], document: Document, known: Known
) -> tuple[Route, ...]:
    """Make the routes of the file; what is wrong is reported to `document`."""
    placed = document.entries(("routes",), routes)
    _check_names(placed, document)
    return tuple(_route(settings, document, path, known) for path, settings in placed)


def targets(
    entries: Sequence[str | TargetSettings],
    document: Document,
    path: Path,
    upstreams: Collection[str],
) -> tuple[Target, ...]:
    """Make the targets of a route or a task; unknown upstreams and repetitions are reported."""
    made: list[Target] = []
    for here, entry in document.entries(path, entries):
        target = Target(entry, "") if isinstance(entry, str) else Target(entry.name, entry.model)
        if target.upstream not in upstreams:
            hint = suggest(target.upstream, upstreams)
            document.report(here, f"there is no upstream `{target.upstream}`{hint}")
        if target in made:
            document.report(here, f"`{target.upstream}` stands twice in `{spell(path)}`")
        made.append(target)
    return tuple(made)


def implicit_routes(
    tasks: Mapping[str, tuple[Target, ...]], present: Sequence[Route], *, encoder: str
) -> tuple[Route, ...]:
    """Give the routes that the encoder and each task bring, but for names that the file routes."""
    taken = {name for route in present for name in route.models}
    made = [Route(name=encoder, models=(encoder,), uses_encoder=True)]
    for task, upstreams in tasks.items():
        name = TASK_PREFIX + task
        made.append(Route(name=name, models=(name,), targets=upstreams, tasks=(task,)))
    return tuple(route for route in made if route.name not in taken)


def _check_names(placed: Sequence[tuple[Path, RouteSettings]], document: Document) -> None:
    seen: dict[str, Path] = {}
    names: set[str] = set()
    for path, settings in placed:
        for here, model in document.entries((*path, "models"), settings.models):
            if model in seen:
                first = document.line(seen[model])
                document.report(here, f"the model `{model}` has a route already, on line {first}")
            seen.setdefault(model, here)
        name = _name(settings)
        if name in names:
            document.report(path, f"there are two routes called `{name}`; give one a `name`")
        names.add(name)


def _name(settings: RouteSettings) -> str:
    # A route whose models were all wrong has been reported and is not used.
    return settings.name or next(iter(settings.models), "")


def _route(settings: RouteSettings, document: Document, path: Path, known: Known) -> Route:
    _check_tiers(settings, document, path)
    for here, task in document.entries((*path, "tasks"), settings.tasks):
        if task not in known.tasks:
            document.report(here, f"there is no task `{task}`{suggest(task, known.tasks)}")
    aims = targets(settings.upstreams, document, (*path, "upstreams"), known.upstreams)
    if settings.learn:
        _check_auditable(aims, document, (*path, "upstreams"), known.clients_own)
    return Route(
        name=_name(settings),
        models=settings.models,
        targets=aims,
        uses_encoder=settings.local == "encoder",
        tasks=settings.tasks,
        learns=settings.learn,
        template=_template(settings, document, (*path, "template")),
        strategy=settings.strategy,
        rules=_rules(settings, document, path, aims),
        edge_first_token_s=settings.edge_first_token_s,
        deadline_s=settings.deadline_s,
        caches=_caches(settings.cache),
        forward=frozenset(settings.forward),
    )


def _check_auditable(
    aims: Sequence[Target], document: Document, path: Path, clients_own: Collection[str]
) -> None:
    """Refuse to learn from an upstream that this node cannot ask by itself.

    What is answered here could not be audited there, and a guarantee on its labels not be watched.
    """
    for here, target in document.entries(path, aims):
        if target.upstream in clients_own:
            document.report(
                here,
                f"`{target.upstream}` is asked with the client's own credential (`credentials:"
                " passthrough`), so this node cannot audit its own answers there; give it an"
                " `api_key` with `credentials: operator`, name another upstream, or take `learn:"
                " true` away",
            )


def _template(settings: RouteSettings, document: Document, path: Path) -> ChatTemplate | None:
    given = settings.template
    if given is None:
        return None
    if not settings.learn:
        document.report(path, "a `template` says what is learned; add `learn: true`")
    _check_labels(given, document, (*path, "labels"))
    try:
        compile_template(given.pattern)
    except ConfigError as error:
        document.report((*path, "pattern"), error.message)
    return ChatTemplate(given.pattern, given.labels)


def _check_labels(given: ChatTemplateSettings, document: Document, path: Path) -> None:
    labels = given.labels
    if labels and len(labels) < FEWEST_LABELS:
        document.report(path, "one label is no choice; list all that the upstream may answer")
    if len(set(labels)) < len(labels):
        document.report(path, "a label stands twice in `labels`")
    if OTHER in labels or any(label != label.strip() for label in labels):
        document.report(path, f"a label is `{OTHER}`, or begins or ends with a space")


def _check_tiers(settings: RouteSettings, document: Document, path: Path) -> None:
    if settings.learn and not settings.upstreams:
        document.report(
            (*path, "learn"), f"`{spell(path)}` has no `upstreams` to learn from; name one"
        )
    if settings.local is not None and settings.upstreams:
        document.report(
            (*path, "local"),
            f"`{spell(path)}` mixes `local: encoder` with upstreams, whose vectors lie in another"
            " space; make two routes",
        )
    if settings.local is None and not settings.upstreams and not settings.tasks:
        document.report(
            path, f"`{spell(path)}` leads nowhere; give it `upstreams`, `tasks` or `local: encoder`"
        )
    if settings.strategy == "rules" and not settings.rules:
        document.report(
            (*path, "strategy"), f"`{spell(path)}` has `strategy: rules` but no `rules`"
        )
    if settings.strategy == "ordered" and settings.rules:
        document.report(
            (*path, "rules"), f"`{spell(path)}` has `rules`; add `strategy: rules` to use them"
        )


def _rules(
    settings: RouteSettings, document: Document, path: Path, aims: Sequence[Target]
) -> tuple[Rule, ...]:
    names = [target.upstream for target in aims]
    if settings.rules and len(set(names)) < len(names):
        document.report(
            (*path, "upstreams"),
            f"`{spell(path)}` names an upstream twice, so its rules are ambiguous; give the second"
            " model an upstream of its own",
        )
    return tuple(
        _rule(rule, document, here, names)
        for here, rule in document.entries((*path, "rules"), settings.rules)
    )


def _rule(settings: RuleSettings, document: Document, path: Path, names: Sequence[str]) -> Rule:
    when = settings.when
    rule = Rule(
        to=settings.to,
        min_tokens=when.min_tokens,
        max_tokens=when.max_tokens,
        pattern=when.pattern,
        needs=None if when.needs is None else frozenset(when.needs),
    )
    if rule.to not in names:
        message = f"`{rule.to}` is not an upstream of this route{suggest(rule.to, names)}"
        document.report((*path, "to"), message)
    low, high = when.min_tokens, when.max_tokens
    if low is not None and high is not None and low > high:
        document.report((*path, "when"), "`min_tokens` is above `max_tokens`: it never holds")
    try:
        compile_rules((rule,))
    except ConfigError as error:
        document.report((*path, "when", "pattern"), error.message)
    return rule


def _caches(settings: Switch | CacheSettings) -> tuple[tuple[CachedSurface, CachePolicy], ...]:
    if not isinstance(settings, CacheSettings):
        is_on = settings in {True, "on"}
        settings = CacheSettings(chat=is_on, embeddings=is_on, decisions=is_on)
    return (
        ("chat", _policy(settings.chat, sampled=settings.sampled)),
        ("embeddings", _policy(settings.embeddings, sampled=settings.sampled)),
        ("decisions", _policy(settings.decisions, sampled=settings.sampled)),
    )


def _policy(settings: SurfaceCache, *, sampled: bool) -> CachePolicy:
    if isinstance(settings, SurfaceCacheSettings):
        return CachePolicy(is_on=True, ttl_s=settings.ttl_s, allows_sampled=sampled)
    return CachePolicy(is_on=settings in {True, "on"}, allows_sampled=sampled)
