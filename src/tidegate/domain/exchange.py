"""What nodes that share a learner say to each other: offers, keys, counts."""

from dataclasses import dataclass, field
from hashlib import sha256

from tidegate.domain.guarantee import Guarantee
from tidegate.domain.label import LabelRow, Owner
from tidegate.domain.question import Question

_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """Secrets under which all nodes of one learner hash groups, near-duplicates and end users.

    So a text, or a person, has the same role whichever node it comes to.
    """

    group: bytes = field(repr=False)
    role: bytes = field(repr=False)
    user: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Name them without telling them."""
        return sha256(b"\0".join((self.group, self.role, self.user))).hexdigest()[:_ID_DIGITS]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a learner has for one owner."""

    owner: Owner
    question: Question
    guarantee: Guarantee | None
    """Its newest verdict; None before the first."""


@dataclass(frozen=True, slots=True)
class Offers:
    """All that a learner has for the nodes that pull from it."""

    encoder: str
    """Fingerprint: rows and bundles of other encoders are of no use to it."""
    zone: str
    """Of the learner."""
    keys: SharedKeys | None
    """None for nodes of another zone, whose labels it may not have."""
    tasks: tuple[Offer, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A label row that its learner does not have yet."""

    row: LabelRow
    hashed_for: str
    """Id of the keys under which it is hashed; empty: this node's own, so it cannot travel."""


@dataclass(frozen=True, slots=True)
class AuditCount:
    """How audited requests of one stratum came out under one guarantee, at one node."""

    bundle: str
    """Content hash."""
    granted_at: float
    stratum: str
    """As `language=en`."""
    seen: int
    """Audited requests."""
    accepted: int
    """Of those, answered here under the guarantee, or to be."""
    disagreed: int
    """Of the accepted, those to which the upstream says something else."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Counts of one owner that travel where rows may not; stored once by its id."""

    report_id: str
    owner: Owner
    counts: tuple[AuditCount, ...]
