"""What to do next, seen the attempts so far: a step function over the plan.

The caller owns time and sockets: it calls `next_step`, does what it says, reports the outcome as
one more attempt, and asks again.
"""

from collections.abc import Sequence
from typing import Literal, assert_never

import msgspec

from tidegate.domain.plan import Attempt, Candidate, Outcome, Plan

ATTEMPTS_PER_TIER = 2
"""The first and at most one extra, so that a dead tier costs little of the deadline."""

LONGEST_RETRY_AFTER_S = 1.0
"""An upstream that asks for a longer pause is not asked a second time."""

MINIMUM_LEFT_S = 0.005
"""With less time left than this, a call could only fail and cost money."""


class Call(msgspec.Struct, frozen=True):
    """Ask this candidate, after a pause that the upstream itself asked for."""

    candidate: Candidate
    pause_s: float = 0.0


class GiveUp(msgspec.Struct, frozen=True):
    """Nothing is left to try."""

    reason: Literal["failed", "policy", "deadline"]


Step = Call | GiveUp


def next_step(plan: Plan, seen: Sequence[Attempt], *, now: float, deadline: float) -> Step:
    """Choose the next call. `now` and `deadline` are on one clock, in seconds.

    Candidates are taken in order. Within a tier at most two attempts are made: on two upstreams,
    or twice on the last candidate of the plan when a second try may help. A request that an
    upstream calls wrong is asked nowhere else.
    """
    if not plan.candidates:
        return GiveUp("policy")
    if seen and seen[-1].outcome in ("rejected", "cancelled"):
        return GiveUp("failed")
    if deadline - now < MINIMUM_LEFT_S:
        return GiveUp("deadline")
    for position, candidate in enumerate(plan.candidates):
        tried = [attempt for attempt in seen if _is_of(attempt, candidate)]
        is_last = position == len(plan.candidates) - 1
        if _attempts_in_tier(candidate, seen) >= ATTEMPTS_PER_TIER:
            continue
        if not tried:
            return Call(candidate)
        if is_last and (pause := _pause_before_retry(tried[-1])) is not None:
            return Call(candidate, pause) if now + pause < deadline else GiveUp("deadline")
    return GiveUp("failed")


def _is_of(attempt: Attempt, candidate: Candidate) -> bool:
    return (attempt.target, attempt.model) == (candidate.upstream, candidate.model)


def _attempts_in_tier(candidate: Candidate, seen: Sequence[Attempt]) -> int:
    return sum(1 for attempt in seen if attempt.place.tier == candidate.place.tier)


def _pause_before_retry(attempt: Attempt) -> float | None:
    """Give the pause before asking the same upstream again, or None when that cannot help."""
    pause = attempt.retry_after_s or 0.0
    if pause > LONGEST_RETRY_AFTER_S:
        return None
    return pause if _may_help_again(attempt.outcome) else None


def _may_help_again(outcome: Outcome) -> bool:
    match outcome:
        case "unreachable" | "error_status" | "rate_limited" | "malformed" | "cut":
            return True
        case "timeout" | "overloaded" | "deadline" | "rejected" | "unable" | "cancelled" | "ok":
            return False
        case _:
            assert_never(outcome)
