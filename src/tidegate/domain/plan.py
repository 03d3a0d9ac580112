"""The ordered attempts that routing chose, and what became of each."""

from typing import Literal

import msgspec

from tidegate.domain.answer import Usage
from tidegate.domain.zone import Place

Outcome = Literal[
    "ok",
    "unreachable",
    "timeout",
    "error_status",
    "rate_limited",
    "rejected",
    "unable",
    "malformed",
    "cut",
    "overloaded",
    "deadline",
    "cancelled",
]
"""`rejected`: the upstream says that the client's request is wrong, so no other tier is asked.
`unable`: its dialect cannot carry the request, so it was not asked."""


class Candidate(msgspec.Struct, frozen=True):
    """One upstream that may be asked, as routing sees it."""

    upstream: str
    model: str
    place: Place
    first_token_s: float | None = None
    """Give up on it when its first token takes longer; None: only its own timeouts hold."""


class Plan(msgspec.Struct, frozen=True):
    """Candidates in the order in which they will be asked, and the reason for that order."""

    candidates: tuple[Candidate, ...]
    reason: str


class Attempt(msgspec.Struct, frozen=True):
    """One call of an engine or upstream and what came of it. Times are seconds."""

    target: str
    model: str
    place: Place
    outcome: Outcome
    started_s: float
    """Since the request was received."""
    duration_s: float
    first_byte_s: float | None = None
    """From the call to the head of the answer, connecting included."""
    connect_s: float | None = None
    status: int | None = None
    detail: str = ""
    """A short fixed phrase or an error's message; never request text."""
    retry_after_s: float | None = None
    usage: Usage | None = None
    """What it used, stated or estimated; None when nothing can have been generated."""
    cost_micro_usd: int = 0
    cost_is_estimated: bool = False
