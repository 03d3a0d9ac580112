"""What traffic has taught, task by task: what `tidegate tasks` shows below the bundles."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from tidegate.adapters.stores.sqlite_guarantees import SqliteGuarantees
from tidegate.adapters.stores.sqlite_labels import SqliteLabels
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import LabelCounts, Owner
from tidegate.learning.drift import delay_s, watch_loss
from tidegate.statistics import binomial

Stage = Literal["collecting", "infeasible", "serving", "suspended", "expired"]

TAIL = 0.025
"""Of each side of a 95 % interval."""
WORSE = 2.0
"""The detection delay is that of a loss of so many times `max_error`."""
_TITLES = ("task", "tenant", "stage", "labels", "coverage", "disagreement", "saved calls", "USD")
_MICRO = 1_000_000


class Saved(msgspec.Struct, frozen=True):
    """What one task answered here, by the ledger."""

    calls: int = 0
    micro_usd: int = 0


class LearnedState(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    task: str
    tenant: str
    stage: Stage
    labels: int
    fit: int
    calibrate: int
    test: int
    why: str
    """What it waits for, or what is wrong; empty when it serves."""
    max_error: float | None = None
    coverage: float | None = None
    disagreement: float | None = None
    """Of test rows that would have been answered here, with the labels' source: not an error."""
    interval: tuple[float, float] | None = None
    """95 % (Clopper-Pearson)."""
    upstream: str | None = None
    noise: float | None = None
    """How far one answer of the upstream is from its own usual one."""
    noise_between: float | None = None
    """How often two of its answers to one request differ: about twice that."""
    saved: Saved = Saved()
    detection_delay_s: float | None = None
    """Expected until twice `max_error` is noticed, at today's traffic."""
    feedback: int = 0
    """Labels that people gave."""
    reported_errors: int = 0
    """Those of them that differ from an answer of this node."""
    attempts: int = 0
    versions: int = 0
    renewals: int = 0
    """How often audit rows showed anew what would have expired."""
    expires_in_s: float | None = None
    answers_left: int | None = None
    """Before it expires; what was given since the grant counts, repeats included."""


def learned_states(
    labels: SqliteLabels,
    guarantees: SqliteGuarantees,
    saved: Mapping[tuple[str, str], Saved],
    now: float,
) -> list[LearnedState]:
    """Give all owners of labels."""
    found = []
    for owner, encoder in labels.owners_by_encoder():
        verdict = guarantees.load(owner.key)
        state = _state(
            owner,
            labels.counts(owner, encoder),
            verdict,
            guarantees.ledger(owner.key).attempts,
            saved.get((owner.task, owner.tenant), Saved()),
        )
        if verdict is None and labels.outbox.has_foreign(owner):
            why = "the node that learns for this one has said nothing yet"
            state = msgspec.structs.replace(state, why=why)
        if verdict is not None and verdict.state == "granted":
            state = msgspec.structs.replace(
                state,
                renewals=verdict.renewals,
                expires_in_s=max(verdict.expires_at - now, 0.0),
                answers_left=answers_left(verdict, guarantees.answers(verdict.grant)),
            )
        said = labels.answers.counts(owner)
        found.append(
            msgspec.structs.replace(state, feedback=said.stated, reported_errors=said.errors)
        )
    return found


def answers_left(verdict: Guarantee, given: int) -> int:
    """Give how many answers a guarantee is good for."""
    return max(verdict.expires_after_answers - given, 0)


def left(expires_in_s: float, answers: int) -> str:
    """Say how long a guarantee stands."""
    return f"expires in {span(expires_in_s)} or {answers:,} answers"


def learned_listing(found: Sequence[LearnedState]) -> Group:
    """Lay the states out for a terminal, with what they wait for below."""
    table = Table(*(Column(title, no_wrap=True) for title in _TITLES), title="learned from traffic")
    for one in found:
        table.add_row(
            one.task,
            one.tenant,
            one.stage,
            str(one.labels),
            "" if one.coverage is None else f"{one.coverage:.1%}",
            _disagreement(one),
            str(one.saved.calls),
            f"{one.saved.micro_usd / _MICRO:.2f}",
        )
    notes = [Text(f"{one.task} ({one.tenant}): {_note(one)}") for one in found if _note(one)]
    return Group(table, *notes)


def told(verdict: Guarantee) -> str:
    """Say one verdict in a line."""
    when = datetime.fromtimestamp(verdict.granted_at, UTC).isoformat(timespec="seconds")
    own = verdict.own
    said = f"{when} {verdict.state} {verdict.bundle_version} at {own.alpha:g}"
    if own.threshold is not None:
        said += (
            f": {own.errors} of {own.accepted} accepted test rows disagreed,"
            f" coverage {own.coverage:.1%}, attempt {verdict.attempt}"
        )
    why = verdict.reason or (_wait(verdict) if verdict.infeasible else "")
    return f"{said}; {why}" if why else said


def _state(
    owner: Owner, counts: LabelCounts, verdict: Guarantee | None, attempts: int, saved: Saved
) -> LearnedState:
    state = LearnedState(
        task=owner.task,
        tenant=owner.tenant,
        stage="collecting",
        labels=counts.rows,
        fit=counts.fit,
        calibrate=counts.calibrate,
        test=counts.test,
        why="a first fit waits for more labels",
        saved=saved,
        attempts=attempts,
    )
    if verdict is None:
        return state
    own = verdict.own
    noise = verdict.labels.noise
    state = msgspec.structs.replace(
        state,
        max_error=own.alpha,
        upstream=verdict.labels.upstream,
        noise=None if noise is None else noise.from_usual,
        noise_between=None if noise is None else noise.between_answers,
    )
    if verdict.state == "none":
        why = _wait(verdict)
        return msgspec.structs.replace(state, stage="infeasible", why=why)
    low = float(binomial.lower_bound(own.errors, own.accepted, TAIL)) if own.accepted else 0.0
    high = float(binomial.upper_bound(own.errors, own.accepted, TAIL)) if own.accepted else 1.0
    return msgspec.structs.replace(
        state,
        stage="serving" if verdict.state == "granted" else verdict.state,
        why="" if verdict.state == "granted" else verdict.reason,
        coverage=own.coverage,
        disagreement=own.errors / own.accepted if own.accepted else None,
        interval=(low, high),
        detection_delay_s=_delay(counts, verdict),
    )


def _wait(verdict: Guarantee) -> str:
    infeasible = verdict.infeasible
    if infeasible is None:
        return verdict.reason
    if infeasible.further_requests is None:
        return infeasible.reason
    days = "" if infeasible.wait_s is None else f", {span(infeasible.wait_s)} at today's traffic"
    return f"{infeasible.reason}; about {infeasible.further_requests:,} more requests{days}"


def _delay(counts: LabelCounts, verdict: Guarantee) -> float | None:
    """Expect how long a loss of twice what is allowed goes unnoticed."""
    if counts.oldest_time is None or counts.newest_time is None or verdict.audit_share is None:
        return None
    seconds = counts.newest_time - counts.oldest_time
    if seconds <= 0:
        return None
    return delay_s(
        watch_loss(verdict.own.alpha),
        WORSE * verdict.own.alpha,
        requests_per_s=counts.rows / seconds,
        audit_share=verdict.audit_share,
        coverage=verdict.own.coverage,
    )


def _disagreement(one: LearnedState) -> str:
    if one.disagreement is None or one.interval is None:
        return ""
    low, high = one.interval
    return f"{one.disagreement:.2%} ({low:.2%} to {high:.2%})"


def _note(one: LearnedState) -> str:
    reported = ""
    if one.feedback:
        reported = f"{one.reported_errors} reported errors in {one.feedback} labels from feedback"
    if one.stage != "serving":
        return "; ".join(part for part in (one.why, reported) if part)
    noticed = (
        ""
        if one.detection_delay_s is None
        else (
            f"; twice {one.max_error:.1%} would be noticed in about {span(one.detection_delay_s)}"
        )
    )
    if one.expires_in_s is not None and one.answers_left is not None:
        times = f"; renewed {one.renewals} times" if one.renewals else ""
        noticed += f"; {left(one.expires_in_s, one.answers_left)}{times}"
    itself = ""
    if one.noise is not None and one.noise_between is not None:
        itself = (
            f", two of whose own answers differ in {one.noise_between:.1%} (so that one differs"
            f" from its usual one in about {one.noise:.1%})"
        )
    said = f"disagreement is with `{one.upstream}`{itself}{noticed}"
    return f"{said}; {reported}" if reported else said


def span(seconds: float) -> str:
    """Say a time in its largest unit."""
    for size, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"
