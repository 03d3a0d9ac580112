"""Settings of tasks to `domain.task.Task`."""

from collections.abc import Mapping, Sequence

from tidegate.config.document import Document
from tidegate.config.problem import Path, spell
from tidegate.config.task_settings import (
    ChoiceQuestionSettings,
    PredicateSettings,
    QuestionSettings,
    ScoreSettings,
    TaskSettings,
)
from tidegate.domain.question import Option, Question
from tidegate.domain.task import Task


def configure_tasks(tasks: Mapping[str, TaskSettings], document: Document) -> tuple[Task, ...]:
    """Make the tasks; what is wrong is reported to `document`."""
    return tuple(_task(name, settings, document) for name, settings in tasks.items())


def _task(name: str, settings: TaskSettings, document: Document) -> Task:
    path: Path = ("tasks", name)
    if settings.threshold is not None and not settings.unguaranteed:
        document.report(
            (*path, "threshold"),
            f"`{spell((*path, 'threshold'))}` needs `unguaranteed: true` beside it: no audit"
            " sample has tested this threshold; guarantees come with a later version",
        )
    if settings.unguaranteed and settings.threshold is None:
        document.report(
            (*path, "unguaranteed"),
            f"`{spell((*path, 'unguaranteed'))}` does nothing without `threshold`; give one, for"
            " example 0.9",
        )
    return Task(
        name=name,
        bundle=settings.bundle or name,
        question=None if settings.question is None else question(settings.question, document, path),
        threshold=settings.threshold,
        unguaranteed=settings.unguaranteed,
        accept_names=frozenset(settings.accept_names),
        shares_labels=settings.shared,
        pooling=settings.pooling,
        allow_truncated=settings.allow_truncated,
        bundle_version=settings.bundle_version,
    )


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
