"""Questions that are promised as one request: all are answered here, or none is. Pure.

The guarantee was tested on requests that ask all of its tasks' questions, the least sure answer
deciding (`learning/audit_rows.py`). So it holds for exactly such requests, and for no part of one.
"""

from collections.abc import Sequence

from tidegate.domain.question import Decision
from tidegate.tasks.classify import LoadedTask, NotConfident

Outcome = Decision | NotConfident | str


def hold_together(
    found: Sequence[LoadedTask | str], outcomes: Sequence[Outcome]
) -> tuple[Outcome, ...]:
    """Take back the answers of those that miss one of their company."""
    kept = list(outcomes)
    for index, loaded in enumerate(found):
        outcome = outcomes[index]
        if isinstance(loaded, LoadedTask) and isinstance(outcome, Decision):
            why = _missing(loaded, found, outcomes)
            if why is not None:
                kept[index] = NotConfident(outcome.confidence, why)
    return tuple(kept)


def _missing(
    loaded: LoadedTask, found: Sequence[LoadedTask | str], outcomes: Sequence[Outcome]
) -> str | None:
    guarantee = loaded.guarantee
    if guarantee is None or not guarantee.together:
        return None
    company = [
        (one.task.name, outcome)
        for one, outcome in zip(found, outcomes, strict=True)
        if isinstance(one, LoadedTask)
        and one.guarantee is not None
        and one.guarantee.together == guarantee.together
        and one.guarantee.granted_at == guarantee.granted_at
    ]
    if sorted(name for name, _ in company) != sorted(guarantee.together):
        named = ", ".join(f"`{name}`" for name in guarantee.together)
        return f"the guarantee is for requests that ask {named} together"
    if not all(isinstance(outcome, Decision) for _, outcome in company):
        return "another question of the request is not answered here"
    return None
