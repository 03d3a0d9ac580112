"""What `tidegate guarantee` reads and shows."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from tidegate.domain.guarantee import Guarantee, Infeasible, Level
from tidegate.domain.promise import DAY_S, Promise
from tidegate.domain.task import Task
from tidegate.errors import ConfigError
from tidegate.node.proving import Outcome

INFEASIBLE = 3
"""Exit code: the test was made, and nothing may be promised."""


def task_of(tasks: Sequence[Task], name: str) -> Task:
    """Find a configured task."""
    found = [task for task in tasks if task.name == name]
    if not found:
        known = ", ".join(f"`{task.name}`" for task in tasks) or "none"
        raise ConfigError(f"there is no task `{name}` in the configuration (there are: {known})")
    return found[0]


def company_of(task: Task, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Give the tasks that are promised together with this one, which has to be their first."""
    names = () if task.promise is None else task.promise.together
    if names and names[0] != task.name:
        raise ConfigError(
            f"`{task.name}` is promised together with `{names[0]}`:"
            f" tidegate guarantee {names[0]} --labels FILE"
        )
    return tuple(task_of(tasks, name) for name in names[1:])


def promise_of(task: Task, *, max_error: float | None, delta: float | None) -> Promise:
    """Give what is to be shown: as configured, with what the command line says instead."""
    promise = task.promise
    if promise is None:
        if max_error is None:
            raise ConfigError(
                f"`tasks.{task.name}` has no `max_error`; set it, or give --max-error 0.02"
            )
        promise = Promise(max_error)
    own = promise.max_error if max_error is None else max_error
    return replace(
        promise,
        max_error=own,
        delta=promise.delta if delta is None else delta,
        client_max_errors=tuple(one for one in promise.client_max_errors if one < own),
    )


def report(outcome: Outcome) -> None:
    """Print the verdict."""
    console = Console(highlight=False)
    for line in lines(outcome):
        console.print(line, markup=False, soft_wrap=True)


def lines(outcome: Outcome) -> list[str]:
    """Give the verdict, line by line."""
    made = outcome.guarantee
    told = [
        f"{made.task}, bundle {made.bundle_version}: {_headline(made)}",
        f"  {made.rows} test rows, {outcome.calibrating} more chose the thresholds",
        f"  labels: {made.labels.kind}; one count is a {made.unit}",
    ]
    if outcome.truncated:
        told.append(f"  {outcome.truncated} rows are longer than the encoder reads; left out")
    if made.static_from is not None:
        told.append(
            "  static embeddings first, from accept score"
            f" {made.static_from:.4f}; tested as one with the encoder"
        )
    for level in made.levels:
        told += _level(made, level)
    told += [
        f"  of {one.rows} rows that truly are {one.label!r}, {one.missed} were answered here as"
        f" another; at most {one.upper:.2%}"
        for one in made.critical
    ]
    told += [
        f"  {one.name}: {one.rows} rows, {one.accepted} answered, {one.errors} wrong"
        + ("" if one.is_allowed else "; too few rows, goes up")
        for one in made.strata
    ]
    return [*told, "", *_advice(made)]


def _headline(made: Guarantee) -> str:
    if made.state != "granted":
        return "nothing can be promised with these rows"
    if made.mode == "crc":
        return f"wrong local answers are at most {made.own.alpha:.2%} of all requests, on average"
    what = "local answers are wrong"
    if made.together:
        what = f"requests have any local answer of {', '.join(made.together)} wrong"
    return f"at most {made.own.alpha:.2%} of {what}, with confidence {1 - made.delta:.0%}"


def _level(made: Guarantee, level: Level) -> list[str]:
    if level.threshold is None:
        return [f"  at {level.alpha:.2%}: {_lacking(level.infeasible)}"]
    return [
        f"  at {level.alpha:.2%}: answers {level.coverage:.1%} from accept score"
        f" {level.threshold:.4f}; {level.errors} of {level.accepted} wrong, at most"
        f" {level.upper:.2%}" + (" observed" if made.mode == "crc" else "")
    ]


def _lacking(found: Infeasible | None) -> str:
    if found is None:
        return "infeasible"
    if found.further_requests is None:
        return f"infeasible: {found.reason}"
    return (
        f"infeasible: {found.reason}; {found.further_accepted} more answered test rows are needed,"
        f" about {found.further_requests} more labelled rows"
    )


def _advice(made: Guarantee) -> list[str]:
    if made.state != "granted":
        return ["Every question of the task goes up. More labels, or a larger --max-error, may do."]
    days = (made.expires_at - made.granted_at) / DAY_S
    return [
        f"It expires after {days:g} days or {made.expires_after_answers:,} local answers.",
        f"To serve it: write `max_error: {made.own.alpha:g}` for the task, then `tidegate reload`.",
    ]
