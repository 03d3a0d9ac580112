"""Which labels travel to a task's learner, and what a node takes over from it. Pure.

A learner is not believed further than it has to be: what it grants must be as strict as this node's
operator asks, and holds here only for a while after the learner last said so.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tidegate.domain.exchange import AuditCount
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import LabelRow
from tidegate.domain.promise import Promise
from tidegate.learning.audit_rows import AuditRows

CLOSE = 1e-12
"""Two levels of confidence that differ by less are one."""


@dataclass(frozen=True, slots=True)
class Save:
    """Make this the newest verdict here."""

    guarantee: Guarantee


@dataclass(frozen=True, slots=True)
class Extend:
    """The learner still stands by what serves here: let it end later, or as settings now say."""

    guarantee: Guarantee


@dataclass(frozen=True, slots=True)
class Decline:
    """Do not take it over."""

    reason: str


def may_leave(zone: str, learner_zone: str, told_zone: str | None = None) -> bool:
    """Tell whether a label row may go to a learner; only within its zone.

    `learner_zone` is what the operator wrote down, `told_zone` what the learner says itself: when
    they differ, nothing goes.
    """
    return zone == learner_zone and told_zone in (None, learner_zone)


def take(
    here: Guarantee | None, offered: Guarantee, promise: Promise, *, now: float, lapse_s: float
) -> Save | Extend | Decline | None:
    """Decide what to do with the learner's newest verdict; None: nothing is to be done.

    Here a guarantee ends `lapse_s` after the learner last confirmed it, if not sooner. One that was
    suspended here stays so until the learner has granted another.
    """
    if offered.state != "granted":
        return None if here is not None and _says_the_same(here, offered) else Save(offered)
    reason = looser(offered, promise)
    if reason is not None:
        return Decline(reason)
    ends = min(offered.expires_at, now + lapse_s)
    if here is None or not is_same(here, offered):
        return Save(replace(offered, expires_at=ends))
    match here.state:
        case "granted":
            return _confirmed(here, offered, now=now, lapse_s=lapse_s)
        case "suspended":
            return None
        case "none" | "expired":
            return Save(replace(offered, expires_at=ends)) if ends > now else None


def _confirmed(
    here: Guarantee, offered: Guarantee, *, now: float, lapse_s: float
) -> Save | Extend | None:
    """Let what serves end later; renewed, or with another audit share, it is written down anew."""
    ends = min(offered.expires_at, now + lapse_s)
    if (here.renewals, here.audit_stratum) != (offered.renewals, offered.audit_stratum):
        return Save(replace(offered, expires_at=ends))
    is_late = here.expires_at - now < lapse_s / 2.0 and ends > here.expires_at
    # Settings have changed, or the clock was set back.
    is_beyond = here.expires_at > ends
    return Extend(replace(here, expires_at=ends)) if is_late or is_beyond else None


def is_same(one: Guarantee, other: Guarantee) -> bool:
    """Tell whether two verdicts are about the same grant of the same bundle."""
    return (one.bundle, one.granted_at) == (other.bundle, other.granted_at)


def _says_the_same(here: Guarantee, offered: Guarantee) -> bool:
    """Tell whether a verdict that grants nothing is known here already."""
    return is_same(here, offered) and (here.state, here.audit_stratum) == (
        offered.state,
        offered.audit_stratum,
    )


def looser(offered: Guarantee, promise: Promise) -> str | None:
    """Tell why a guarantee is less than what is asked for here; None when it is enough."""
    if offered.own.alpha > promise.max_error + CLOSE:
        return f"it allows {offered.own.alpha:g} and here `max_error` is {promise.max_error:g}"
    if offered.delta > promise.delta + CLOSE:
        return f"its confidence is {1 - offered.delta:g} and here {1 - promise.delta:g} is asked"
    if offered.loss != promise.loss:
        return "it counts other answers as wrong than this node's `guarantee` settings do"
    if (offered.mode, offered.unit) != (promise.mode, promise.unit):
        return f"it is `{offered.mode}` by `{offered.unit}`, unlike this node's settings"
    return None


def placed(row: LabelRow, verdict: Guarantee | None) -> LabelRow:
    """Give a received row the use that it may have in the learner's sample.

    Requests that were drawn with another probability than the sample's own would make it unlike
    the traffic: such rows only fit.
    """
    if row.origin != "audit":
        return row
    stratum = 0 if verdict is None else verdict.audit_stratum
    serving = verdict is not None and verdict.state == "granted"
    share = verdict.audit_share if verdict is not None and serving else 1.0
    if row.stratum < stratum or (row.stratum == stratum and row.share == share):
        return row
    return replace(row, origin="escalated", share=0.0)


def counted(
    rows: Sequence[LabelRow], scored: AuditRows, verdict: Guarantee
) -> tuple[AuditCount, ...]:
    """Count audited rows by language, with what the guarantee's bundle says of them.

    `scored` has them in the same order.
    """
    threshold = verdict.own.threshold
    seen: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    disagreed: Counter[str] = Counter()
    for row, score, is_wrong in zip(rows, scored.scores, scored.is_wrong, strict=True):
        name = f"language={row.language}"
        seen[name] += 1
        if threshold is not None and score >= threshold:
            accepted[name] += 1
            disagreed[name] += bool(is_wrong)
    return tuple(
        AuditCount(verdict.bundle, verdict.granted_at, name, count, accepted[name], disagreed[name])
        for name, count in sorted(seen.items())
    )


def in_order(
    rows: Sequence[tuple[int, bool]], counts: Sequence[tuple[int, AuditCount]]
) -> Iterator[bool]:
    """Put what rows and counts of other nodes show into one sequence, for the test of the loss.

    Each row comes with its number, each count with that of the row it came after, so what is
    in the sequence once never moves: later evidence stands behind it.
    """
    placed_at = [(number, 0, [is_wrong]) for number, is_wrong in rows]
    placed_at += [
        (after, place, spread(one.accepted, one.disagreed))
        for place, (after, one) in enumerate(counts, start=1)
    ]
    for _, _, outcomes in sorted(placed_at, key=lambda one: one[:2]):
        yield from outcomes


def spread(accepted: int, disagreed: int) -> list[bool]:
    """Put counts into a row for a test that takes one outcome after another.

    Disagreements are spread evenly. In which order they came is not told; it is the same whatever
    came before or after, and by numbers alone, so nobody can choose it.
    """
    return [
        (place + 1) * disagreed // accepted > place * disagreed // accepted
        for place in range(accepted)
    ]
