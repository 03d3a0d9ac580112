"""One label that traffic brought: the redacted view of a request with what an upstream said of it.

Personal data as much as the text is: encrypted at rest, kept for a stated time, purged on demand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.bundle import PLAIN_NAME
from tidegate.domain.question import ChoiceValue

Role = Literal["fit", "calibrate", "test"]
"""What a row may be used for; decided once, by its group."""
Origin = Literal["audit", "escalated", "local", "feedback"]
"""`audit`: in the sample that was drawn before any head looked. `escalated`: went up because the
head was not sure, so it says nothing about the others. `local`: an answer of this node, kept for
feedback; it is no label. `feedback`: what a person said of an answer; it fits at most."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose labels these are: one task of one tenant, or of all where the operator shares it."""

    task: str
    tenant: str
    """`*` where the operator shares the task's labels among tenants."""

    @property
    def key(self) -> str:
        """Name under which guarantees and bundles of this owner are kept: no other has it."""
        if self.tenant == SHARED:
            return self.task
        plain = f"{self.task}.{self.tenant}"
        if plain.count(".") == 1 and PLAIN_NAME.fullmatch(plain):
            return plain
        digest = sha256(f"{self.task}\0{self.tenant}".encode()).hexdigest()
        return f"{_UNPLAIN.sub('-', self.task.lower())[:_SLUG]}.{digest[:_DIGITS]}"


SHARED = "*"
_UNPLAIN = re.compile(r"[^a-z0-9]+")
_SLUG = 32
_DIGITS = 24


@dataclass(frozen=True, slots=True, eq=False)
class LabelRow:
    """One row of the label store."""

    row_id: str
    """The request's id and the place of the question in it: a row is stored once."""
    owner: Owner
    tenant: str
    """Whose request it was, and under whose key the row is sealed."""
    question: str
    """Fingerprint of the question's wording."""
    origin: Origin
    role: Role
    group: bytes
    """Keyed hash of the end user where the request names one, else of the cluster."""
    cluster: bytes
    """Keyed hash of the words of the text: near-duplicates have the same."""
    user: bytes | None
    """Keyed hash of the end user."""
    label: ChoiceValue
    probabilities: tuple[float, ...]
    """What the upstream said, in the order of the labels; empty where it said only the label."""
    vector: NDArray[np.float32]
    upstream: str
    model: str
    """As the upstream named it."""
    time: float
    """Seconds since the epoch, UTC, when the request was received."""
    zone: str
    """Residency zone of the node that took the request; the row does not leave it."""
    region: str
    encoder: str
    """Fingerprint of the encoder that made the vector."""
    generation: int
    """Configuration in force."""
    share: float
    """Probability with which a request like this became an audit row; 0 for the other origins."""
    stratum: int
    """Counts the changes of that share; rows of different ones are different samples."""
    grams: tuple[int, ...] = ()
    """Buckets of the text's hashed n-grams (`statistics/ngrams.py`): sealed, as the vector is."""
    language: str = ""
    text: str | None = None
    """Only where the tenant allows that texts are kept."""
    hashed_for: str | None = None
    """Of a row that another node is to learn from: id of the keys under which group, cluster and
    user are hashed, empty for this node's own, with which only counts travel. Else None."""


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many rows of one owner there are."""

    rows: int = 0
    fit: int = 0
    calibrate: int = 0
    test: int = 0
    """Audit rows only; those of `fit` come from anywhere."""
    by_origin: Mapping[str, int] = field(default_factory=dict)
    classes: int = 0
    """Different labels."""
    newest: int = 0
    """Number of the newest row; grows with each."""
    oldest_time: float | None = None
    newest_time: float | None = None

    @property
    def measuring(self) -> int:
        """Rows that calibrate or test."""
        return self.calibrate + self.test

    @property
    def useful(self) -> int:
        """Rows that fit, calibrate or test."""
        return self.fit + self.measuring


@dataclass(frozen=True, slots=True)
class FitMark:
    """Which rows a bundle was fitted on, for the day on which some of them are purged."""

    owner: Owner
    version: str
    """Of the bundle that is called `owner.key`."""
    last_row: int
    """It was fitted on rows up to this number."""
    fitted_at: float
    fit_rows: int = 0
    measuring_rows: int = 0
    """Rows for calibrating and testing that there were then."""
    is_stale: bool = False
    """Rows that it was fitted on were purged: it is to be fitted again."""


@dataclass(frozen=True, slots=True)
class Purge:
    """Which rows are to go; all given conditions must hold."""

    tenant: str | None = None
    user: bytes | None = None
    """Keyed hash, as in the rows."""
    before: float | None = None
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did."""

    rows: int
    keys: tuple[str, ...]
    """Tenants whose key was destroyed, because all that they had was purged."""
    bundles: tuple[FitMark, ...]
    """Those fitted on purged rows; marked to be fitted again."""
