"""Settings of tasks to `domain.task.Task`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tidegate.config.document import Document
from tidegate.config.problem import Path, spell
from tidegate.config.task_settings import (
    ChoiceQuestionSettings,
    PredicateSettings,
    QuestionSettings,
    ScoreSettings,
    TaskSettings,
)
from tidegate.domain.guarantee import Loss
from tidegate.domain.promise import DAY_S, Promise
from tidegate.domain.question import ChoiceValue, Option, Question
from tidegate.domain.task import Task
from tidegate.learning.rows import options


def configure_tasks(tasks: Mapping[str, TaskSettings], document: Document) -> tuple[Task, ...]:
    """Make the tasks; what is wrong is reported to `document`."""
    made = {name: _task(name, settings, document) for name, settings in tasks.items()}
    for name, settings in tasks.items():
        if settings.guarantee.together:
            _promise_together(name, settings, made, document)
    return tuple(made.values())


def _promise_together(
    name: str, settings: TaskSettings, made: dict[str, Task], document: Document
) -> None:
    """Give a promise to all tasks that share it; what is wrong is reported."""
    path: Path = ("tasks", name, "guarantee", "together")
    promise, others = made[name].promise, settings.guarantee.together
    if promise is None:
        document.report(path, f"`{spell(path)}` needs `max_error` beside it")
        return
    for here, other in document.entries(path, others):
        problem = _no_company(other, made, name)
        if problem is not None:
            document.report(here, f"`{spell(here)}` is `{other}`, {problem}")
            return
    shared = replace(promise, together=(name, *others))
    known = {label for one in shared.together for label in _options(made[one])}
    critical: Path = ("tasks", name, "guarantee", "critical")
    _check_critical(shared.loss.critical, known, document, critical)
    for one in shared.together:
        made[one] = replace(made[one], promise=shared)


def refuse_together(tasks: Mapping[str, TaskSettings], document: Document) -> None:
    """Report tasks that are promised together on a node that learns."""
    for name, settings in tasks.items():
        path: Path = ("tasks", name, "guarantee", "together")
        if settings.guarantee.together:
            document.report(
                path,
                f"`{spell(path)}` is tested on files of requests; a route with `learn: true`"
                " promises each question by itself, so leave one of them out",
            )


def _no_company(other: str, made: Mapping[str, Task], name: str) -> str | None:
    """Tell why a task cannot be promised together with another."""
    task = made.get(other)
    if task is None or other == name:
        return "which is no other task"
    if task.question is None or made[name].question is None:
        return "but both need a `question`, so that it is known what a request asks"
    if task.promise is not None or task.threshold is not None:
        return "which has a promise or a threshold of its own; leave that out"
    return None


def _task(name: str, settings: TaskSettings, document: Document) -> Task:
    path: Path = ("tasks", name)
    if settings.threshold is not None and not settings.unguaranteed:
        document.report(
            (*path, "threshold"),
            f"`{spell((*path, 'threshold'))}` needs `unguaranteed: true` beside it: no audit"
            " sample has tested this threshold; or give `max_error` in its place",
        )
    if settings.unguaranteed and settings.threshold is None:
        document.report(
            (*path, "unguaranteed"),
            f"`{spell((*path, 'unguaranteed'))}` does nothing without `threshold`; give one, for"
            " example 0.9",
        )
    asked = None if settings.question is None else question(settings.question, document, path)
    return Task(
        name=name,
        bundle=settings.bundle or name,
        question=asked,
        threshold=settings.threshold,
        unguaranteed=settings.unguaranteed,
        accept_names=frozenset(settings.accept_names),
        shares_labels=settings.shared,
        pooling=settings.pooling,
        static_first=settings.static_first,
        allow_truncated=settings.allow_truncated,
        bundle_version=settings.bundle_version,
        promise=_promise(settings, asked, document, path),
    )


def _promise(
    settings: TaskSettings, asked: Question | None, document: Document, path: Path
) -> Promise | None:
    """Make what is asked of local answers; None where `max_error` is not set."""
    own, ask = settings.max_error, settings.guarantee
    if own is None:
        if settings.client_max_errors:
            document.report(
                (*path, "client_max_errors"),
                f"`{spell((*path, 'client_max_errors'))}` needs `max_error` beside it",
            )
        return None
    if settings.threshold is not None:
        document.report(
            (*path, "max_error"),
            f"`{spell((*path, 'max_error'))}` computes the threshold that it needs; leave"
            " `threshold` and `unguaranteed` out",
        )
    for at, value in document.entries((*path, "client_max_errors"), settings.client_max_errors):
        if value > own:
            document.report(
                at,
                f"`{spell(at)}` is {value:g}, looser than `max_error` {own:g}; clients may ask"
                " for less error only",
            )
    if asked is not None and not ask.together:
        here: Path = (*path, "guarantee", "critical")
        _check_critical(ask.critical, set(options(asked)), document, here)
    kind: Literal["choice", "predicate", "score", "request"] = asked.type if asked else "choice"
    if ask.together:
        kind = "request"
    return Promise(
        max_error=own,
        delta=1.0 - settings.confidence,
        client_max_errors=tuple(sorted({one for one in settings.client_max_errors if one < own})),
        mode=ask.mode,
        loss=Loss(kind, cut=ask.cut, levels_off=ask.levels_off, critical=ask.critical),
        unit=ask.unit,
        labels=ask.label_source,
        expires_after_s=ask.expires_after_days * DAY_S,
        expires_after_answers=ask.expires_after_answers,
    )


def _check_critical(
    labels: Sequence[ChoiceValue], known: set[ChoiceValue], document: Document, path: Path
) -> None:
    for here, label in document.entries(path, labels):
        if label not in known:
            document.report(here, f"{label!r} in `{spell(path)}` is no option of the question")


def _options(task: Task) -> tuple[ChoiceValue, ...]:
    return () if task.question is None else options(task.question)


def question(settings: QuestionSettings, document: Document, path: Path) -> Question:
    """Make the question of a task."""
    match settings:
        case PredicateSettings():
            return Question("predicate", None, settings.instructions)
        case ChoiceQuestionSettings():
            options = tuple(Option(one.value, one.description) for one in settings.choices)
            here = (*path, "question", "choices")
            _check_unique([(type(one.value), one.value) for one in options], document, here)
            return Question("choice", None, settings.instructions, options)
        case ScoreSettings():
            options = tuple(Option(one.label, one.description) for one in settings.levels)
            here = (*path, "question", "levels")
            _check_unique([(str, one.value) for one in options], document, here)
            return Question("score", None, settings.instructions, options)


def _check_unique(
    values: Sequence[tuple[type, str | bool]], document: Document, path: Path
) -> None:
    seen: set[tuple[type, str | bool]] = set()
    for here, value in document.entries(path, values):
        if value in seen:
            document.report(here, f"{value[1]!r} stands twice in `{spell(path)}`")
        seen.add(value)
