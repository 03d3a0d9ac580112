"""Which version of a bundle is to serve. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.domain.guarantee import Guarantee
from tidegate.domain.task import Task
from tidegate.errors import BundleError

ChosenBy = Literal["configuration", "pin", "guarantee", "age"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The versions that may serve, the wanted one first."""

    versions: tuple[str, ...]
    by: ChosenBy
    """`guarantee`, `age`: when the wanted one fails its checks, the newest that passes serves."""


def choose(
    configured: str | None, pinned: str | None, granted: str | None, versions: Sequence[str]
) -> Choice:
    """Choose among `versions`, oldest first: by configuration, pin, guarantee, age.

    Which the operator names is wanted itself: no other takes its place when it fails its checks.
    """
    if configured is not None:
        return Choice((configured,), "configuration")
    if pinned is not None:
        return Choice((pinned,), "pin")
    by_age = tuple(reversed(versions))
    if granted is not None:
        return Choice((granted, *(one for one in by_age if one != granted)), "guarantee")
    return Choice(by_age, "age")


def choose_for(
    task: Task, pinned: str | None, guarantee: Guarantee | None, versions: Sequence[str]
) -> Choice:
    """Choose for a task; its newest verdict counts when it has a promise and was granted."""
    is_granted = task.promise is not None and guarantee is not None and guarantee.state == "granted"
    granted = guarantee.bundle_version if guarantee is not None and is_granted else None
    return choose(task.bundle_version, pinned, granted, versions)


def before(version: str, versions: Sequence[str]) -> str:
    """Give the version that came before one; raises BundleError when there is none."""
    older = versions[: versions.index(version)] if version in versions else ()
    if not older:
        raise BundleError(f"There is no version before {version} to go back to.")
    return older[-1]
