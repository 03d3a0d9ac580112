"""What is promised about the local answers of one task, on what evidence, and for how long.

A guarantee is not part of a bundle: bundles never change, guarantees are granted, suspended and
expire. How one is reached is `learning/guarantee.py`; `docs/guarantees.md` has it in plain words.
"""

from dataclasses import dataclass, replace
from typing import Literal

from tidegate.domain.question import ChoiceValue

State = Literal["none", "granted", "suspended", "expired"]
Mode = Literal["ltt", "crc"]
"""`ltt`: error among local answers <= alpha with confidence 1 - delta (Learn-then-Test). `crc`:
wrong local answers as a share of all requests <= alpha on average (conformal risk control)."""
Unit = Literal["delivered answer", "distinct decision"]
"""What one count of the bound is: each answer that a client got, repeats included, or each
different text once."""


@dataclass(frozen=True, slots=True)
class Loss:
    """When a local answer counts as wrong."""

    kind: Literal["choice", "predicate", "score", "request"]
    """Other label; other side of `cut`; more than `levels_off` levels off; any question of the
    request wrong."""
    cut: float = 0.5
    """Predicates: P(true) from here on counts as true."""
    levels_off: int = 0
    """Scores: how many levels off still count as right."""
    critical: tuple[ChoiceValue, ...] = ()
    """Labels whose rows are also bounded by themselves: P(answered here as another | truly it)."""

    def of(self, question: Literal["choice", "predicate", "score"]) -> "Loss":
        """Give the loss of one question of the request; any other loss is that already."""
        return replace(self, kind=question) if self.kind == "request" else self


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How far an upstream is from itself: a random share of requests that it was asked twice."""

    pairs: int
    disagreements: int

    @property
    def between_answers(self) -> float:
        """Share of pairs whose two answers differ."""
        return self.disagreements / self.pairs if self.pairs else 0.0

    @property
    def from_usual(self) -> float:
        """About how often one answer differs from the upstream's own usual one: half of that."""
        return self.between_answers / 2.0


@dataclass(frozen=True, slots=True)
class Grant:
    """Which of a task's guarantees is meant."""

    task: str
    granted_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where the labels that the guarantee was tested on came from."""

    kind: Literal["gold", "human", "agreement"]
    upstream: str | None = None
    """`agreement`: with whom; another upstream or model voids the guarantee. Another template
    makes another wording, and so another task."""
    model: str | None = None
    noise: NoiseFloor | None = None

    @property
    def word(self) -> str:
        """What a wrong answer is called: an error only where labels are the truth."""
        if self.kind == "agreement":
            return f"disagreement with {self.upstream or 'your upstream'}"
        return "error"


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why nothing could be granted, and what it would take. A normal result.

    Reckoned from calibration rows and counts alone, so that acting on it (when to try again) uses
    nothing of what test rows said.
    """

    reason: str
    further_accepted: int | None
    """Test rows that the head would answer, still to come; None: more rows do not help."""
    coverage: float
    """Share of rows that are expected to be answered here."""
    further_requests: int | None
    """`further_accepted` / (coverage x share of requests that become test rows)."""
    wait_s: float | None
    """The time that this takes at the traffic of today; None when that is not known."""


@dataclass(frozen=True, slots=True)
class Level:
    """One alpha of the fixed list that shares delta, and the threshold that it was given."""

    alpha: float
    threshold: float | None
    """Least accept score; None: nothing may be answered at this alpha."""
    accepted: int
    """Test rows at or above the threshold."""
    errors: int
    """Of those, wrong ones."""
    coverage: float
    """Share of test rows at or above the threshold."""
    upper: float
    """Upper confidence bound of the loss at this level's share of delta."""
    infeasible: Infeasible | None = None


@dataclass(frozen=True, slots=True)
class CriticalClass:
    """What the test rows said about one critical label."""

    label: ChoiceValue
    rows: int
    """Test rows that truly are it."""
    missed: int
    """Of those, answered here as another, at the threshold of `max_error`."""
    upper: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of the traffic that is looked at by itself, as `language=en` or `region=eu-west`."""

    name: str
    rows: int
    accepted: int
    errors: int
    is_allowed: bool
    """False: too few audit rows; not answered here."""


@dataclass(frozen=True, slots=True)
class Tails:
    """How accept scores were spread where a guarantee was tested; traffic is held against it."""

    cuts: tuple[float, ...]
    bounds: tuple[float, ...]
    """Upper bound of the share of scores below each cut."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The newest verdict on one bundle of one task."""

    task: str
    bundle: str
    """Content hash."""
    bundle_version: str
    encoder: str
    """Fingerprint."""
    state: State
    reason: str
    """Why it is in this state; empty when granted and not renewed since."""
    mode: Mode
    loss: Loss
    unit: Unit
    labels: LabelSource
    delta: float
    levels: tuple[Level, ...]
    """Strictest alpha first; the last one is the task's own `max_error`."""
    rows: int
    """Test rows."""
    attempt: int
    """Which attempt of the task this was; it was tested at delta 6 / (pi^2 attempt^2) or less."""
    granted_at: float
    """Seconds since the epoch, UTC; of the verdict, where nothing was granted."""
    expires_at: float
    expires_after_answers: int
    """Answers since the grant, repeats from the cache included, after which it expires."""
    critical: tuple[CriticalClass, ...] = ()
    strata: tuple[Stratum, ...] = ()
    audit_share: float | None = None
    """Of requests, in force now; None: tested on a file of labels."""
    audit_stratum: int = 0
    """Counts the changes of `audit_share`; rows of different shares are different samples."""
    alarms: int = 0
    """Alarms by which `audit_share` is still raised; outlives the guarantee that they ended."""
    is_warned: bool = False
    """The share was raised because labels began to speak against it."""
    share_since: float = 0.0
    """When the share was last changed, seconds since the epoch."""
    tails: Tails | None = None
    """None: traffic is not watched without labels."""
    together: tuple[str, ...] = ()
    """Tasks whose questions were tested as one request, this one among them; they are answered here
    all or none."""
    static_from: float | None = None
    """Accept score from which on static embeddings settle a question and the encoder does not look:
    that pair was tested as one classifier. None: the encoder alone was."""
    renewals: int = 0
    """How often it would have expired, and audit rows since showed it anew."""
    renewed_at: float | None = None
    """Of the newest of them; `levels`, `rows` and `attempt` are its, too."""

    @property
    def grant(self) -> Grant:
        """Tell it from others of its task."""
        return Grant(self.task, self.granted_at)

    @property
    def tested_until(self) -> float:
        """Rows younger than this were in no test of it."""
        return self.granted_at if self.renewed_at is None else self.renewed_at

    @property
    def own(self) -> Level:
        """The level of the task's own `max_error`."""
        return self.levels[-1]

    @property
    def infeasible(self) -> Infeasible | None:
        """Why nothing was granted at the task's own level."""
        return self.own.infeasible


@dataclass(frozen=True, slots=True)
class AttemptLedger:
    """What earlier attempts of a task have spent and revealed; survives refits and restarts.

    After a grant, the rows that later heads are fitted on depend on which threshold was granted,
    and so on the test rows: `learning/attempts.py` has what that costs.
    """

    attempts: int = 0
    """Made so far, whatever came out."""
    young_since: float = 0.0
    """Test rows older than this are never used again."""
    attempts_since: int = 0
    """Attempts on rows younger than that."""
    grants_since: int = 0
    outcomes_since: int = 1
    """Product, over those grants, of how many thresholds there were to grant."""
    granted_at: float = 0.0
    """Of the newest of those grants, seconds since the epoch."""
