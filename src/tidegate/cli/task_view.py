"""The state of each task: what `tidegate tasks` shows."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.rollout import ChosenBy, choose_for
from tidegate.cli.learned_view import answers_left, left
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Grant, Guarantee
from tidegate.domain.task import Task
from tidegate.errors import BundleError, StateError
from tidegate.node.verified import read_verified
from tidegate.ports.encoder import Encoder, StaticTable
from tidegate.tasks.accept import standing

Stage = Literal["no bundle", "serving", "serving unguaranteed", "not served", "unusable"]
"""`serving`: under a granted guarantee."""


_NAMES = ("task", "stage", "bundle")
_NUMBERS = ("labels", "rows", "accuracy", "threshold", "off by")


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    task: str
    is_configured: bool
    stage: Stage
    why: str
    """What to do next, or what is wrong; empty when it serves."""
    bundle: str | None = None
    chosen_by: ChosenBy | None = None
    """Why this version and no other."""
    versions: int = 0
    labels: int | None = None
    rows: int | None = None
    accuracy: float | None = None
    threshold: float | None = None
    off_by: float | None = None
    """How far golden scores are off on this processor; added to the threshold."""
    max_error: float | None = None
    """What the guarantee promises under which it serves."""
    expires_in_s: float | None = None
    answers_left: int | None = None
    """Before that guarantee expires."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where bundles come from, and the encoder that they must have been fitted by."""

    bundles: BundleFolder
    pins: Mapping[str, str]
    encoder: Encoder
    table: StaticTable
    guarantee: Callable[[str], Guarantee | None]
    """Gives the newest verdict on a task."""
    answers: Callable[[Grant], int]
    """Counts what was given under a guarantee."""
    now: float
    """Seconds since the epoch, UTC."""


def states(tasks: Sequence[Task], shelf: Shelf) -> list[TaskState]:
    """Give all configured tasks, then the bundles that no task uses."""
    used = {task.bundle for task in tasks}
    found = [_state(task, shelf, is_configured=True) for task in tasks]
    spare = [Task(name=name, bundle=name) for name in shelf.bundles.names() if name not in used]
    return found + [_state(task, shelf, is_configured=False) for task in spare]


def listing(found: Sequence[TaskState]) -> Group:
    """Lay the states out for a terminal, with what to do next below."""
    names = (Column(title, overflow="fold") for title in _NAMES)
    table = Table(*names, *(Column(title, no_wrap=True) for title in _NUMBERS))
    for one in found:
        table.add_row(
            one.task,
            one.stage,
            one.bundle or "",
            "" if one.labels is None else str(one.labels),
            "" if one.rows is None else str(one.rows),
            "" if one.accuracy is None else f"{one.accuracy:.1%}",
            "" if one.threshold is None else f"{one.threshold:g}",
            "" if one.off_by is None else f"{one.off_by:.1g}",
        )
    notes = [(one, _note(one)) for one in found]
    return Group(table, *(Text(f"{one.task}: {note}") for one, note in notes if note))


def _note(one: TaskState) -> str:
    if one.max_error is None or one.expires_in_s is None or one.answers_left is None:
        return one.why
    said = f"at most {one.max_error:.2%} wrong; {left(one.expires_in_s, one.answers_left)}"
    return f"{said}; {one.why}" if one.why else said


def _state(task: Task, shelf: Shelf, *, is_configured: bool) -> TaskState:
    state = TaskState(
        task=task.name,
        is_configured=is_configured,
        stage="no bundle",
        why=f"tidegate train FILE.jsonl --task {task.name}",
        threshold=task.threshold,
    )
    versions = shelf.bundles.versions(task.bundle)
    pinned = shelf.pins.get(task.bundle)
    choice = choose_for(task, pinned, shelf.guarantee(task.name), versions)
    if not choice.versions:
        return state
    usable, wrong = _first_usable(task, choice.versions, shelf)
    if usable is None:
        return msgspec.structs.replace(state, stage="unusable", why=wrong)
    bundle, off_by = usable
    stage, why = _served(task, bundle, shelf, is_configured=is_configured)
    if stage == "serving":
        state = _guaranteed(state, shelf)
    return msgspec.structs.replace(
        state,
        stage=stage,
        why=why or wrong,
        bundle=f"{bundle.name}@{bundle.version}",
        chosen_by=choice.by if bundle.version == choice.versions[0] else "age",
        versions=len(versions),
        labels=len(bundle.head.labels),
        rows=bundle.metrics.rows,
        accuracy=bundle.metrics.accuracy,
        off_by=off_by,
    )


def _first_usable(
    task: Task, versions: Sequence[str], shelf: Shelf
) -> tuple[tuple[Bundle, float] | None, str]:
    """Give the first version that may serve, and what is wrong with one before it."""
    wrong = ""
    for version in versions:
        try:
            reading = read_verified(shelf.bundles, task.bundle, version, shelf.encoder, shelf.table)
            return asyncio.run(reading), wrong
        except (BundleError, StateError) as error:
            wrong = wrong or str(error)
    return None, wrong


def _served(task: Task, bundle: Bundle, shelf: Shelf, *, is_configured: bool) -> tuple[Stage, str]:
    if not is_configured:
        return "not served", f"write `tasks.{task.name}` into the configuration"
    if not task.may_serve and task.promise is None:
        return "not served", f"give `tasks.{task.name}` a `max_error`"
    if not bundle.questions and not task.accept_names:
        return "not served", "it covers no wording: train with a question, or list `accept_names`"
    if task.may_serve:
        return "serving unguaranteed", ""
    why = _unpromised(task, bundle, shelf)
    return ("serving" if why is None else "not served"), why or ""


def _unpromised(task: Task, bundle: Bundle, shelf: Shelf) -> str | None:
    """Tell why no guarantee lets it answer, and what to do; None where one does."""
    guarantee = shelf.guarantee(task.name)
    obstacle = standing(task, bundle, guarantee, shelf.table.fingerprint)
    if obstacle is None and guarantee is not None and shelf.now >= guarantee.expires_at:
        obstacle = "the guarantee has expired"
    if obstacle is None:
        return None
    said = "" if guarantee is None or not guarantee.reason else f" ({guarantee.reason})"
    return f"{obstacle}{said}: tidegate guarantee {task.name} --labels FILE"


def _guaranteed(state: TaskState, shelf: Shelf) -> TaskState:
    """Add what the guarantee promises, and for how long."""
    guarantee = shelf.guarantee(state.task)
    if guarantee is None:
        return state
    return msgspec.structs.replace(
        state,
        max_error=guarantee.own.alpha,
        expires_in_s=guarantee.expires_at - shelf.now,
        answers_left=answers_left(guarantee, shelf.answers(guarantee.grant)),
    )
