"""The accept rule: whether what a head says may be given as this node's own answer. Pure.

It may when a granted guarantee of exactly this bundle allows it, or when the operator's own
`threshold` is marked `unguaranteed` and the client asks for nothing better.
"""

from dataclasses import dataclass

from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import Guarantee, Level
from tidegate.domain.task import Task


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the request the rule looks at."""

    now: float
    """Seconds since the epoch."""
    max_error: float | None = None
    """The client's own, see `x-tidegate-max-error`."""
    strata: tuple[str, ...] = ()
    """Those that the request belongs to, as `language=en`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the heads say."""

    confidence: float
    score: float
    """Accept score: P(right and in scope)."""
    margin: float = 0.0
    """By how much scores may be off on this processor."""


def is_operators(task: Task) -> bool:
    """Tell whether the operator's own threshold decides, and no guarantee."""
    return task.threshold is not None and task.unguaranteed


def may_look_first(task: Task, bundle: Bundle, table: str | None) -> bool:
    """Tell whether the bundle has a head on these static embeddings, and the task wants it."""
    return task.static_first and bundle.static is not None and bundle.static.table == table


def standing(
    task: Task, bundle: Bundle, guarantee: Guarantee | None, table: str | None = None
) -> str | None:
    """Tell why no answer of the task may be given at all; None when some may.

    `table` is the fingerprint of the static embeddings that are here.
    """
    if is_operators(task):
        return None
    if guarantee is None:
        return (
            "no guarantee has been granted yet"
            if task.promise
            else "the task has neither `max_error` nor a threshold marked unguaranteed"
        )
    if guarantee.bundle != bundle.content_hash or guarantee.encoder != bundle.encoder:
        return "the guarantee is for another version of the bundle"
    if guarantee.state != "granted":
        return f"the guarantee is {guarantee.state}" if guarantee.state != "none" else "infeasible"
    if guarantee.static_from is not None and not may_look_first(task, bundle, table):
        return "the guarantee is for static embeddings first, and they do not answer here"
    return None


def refusal(task: Task, guarantee: Guarantee | None, found: Candidate, asked: Asked) -> str | None:
    """Tell why this answer may not be given; None when it may. `standing` has been asked before."""
    if guarantee is None or is_operators(task):
        return _unguaranteed(task, found, asked)
    if asked.now >= guarantee.expires_at:
        return "the guarantee has expired"
    level = level_for(guarantee, asked.max_error)
    if level is None or level.threshold is None:
        return "no guarantee as strict as asked"
    if found.score < level.threshold + found.margin:
        return "below the threshold"
    return _stranger(guarantee, asked.strata)


def level_for(guarantee: Guarantee, max_error: float | None) -> Level | None:
    """Clamp what a client asks for to the next stricter level; None when there is none.

    Without a wish, and for one looser than the task's own, the task's own holds.
    """
    if max_error is None:
        return guarantee.own
    strict = [level for level in guarantee.levels if level.alpha <= max_error]
    return strict[-1] if strict else None


def _unguaranteed(task: Task, found: Candidate, asked: Asked) -> str | None:
    if asked.max_error is not None:
        return "no guarantee as strict as asked"
    if task.threshold is None or found.confidence < task.threshold + found.margin:
        return "below the threshold"
    return None


def _stranger(guarantee: Guarantee, strata: tuple[str, ...]) -> str | None:
    """Refuse what belongs to a stratum that was seen too little, or not at all."""
    allowed = {one.name for one in guarantee.strata if one.is_allowed}
    known = {one.name.partition("=")[0] for one in guarantee.strata}
    for name in strata:
        if name.partition("=")[0] in known and name not in allowed:
            return f"too few audit rows of {name}"
    return None
