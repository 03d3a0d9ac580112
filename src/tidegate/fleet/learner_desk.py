"""The learner's side of the exchange: offers what was learned, takes labels and counts in.

Nothing that a node says about itself is believed where it can be checked here: whose rows they are
follows from its key, the task from the question, the role from the group, and a row of another zone
is refused although it should never have left it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import numpy as np

from tidegate.bundles.fingerprint import fingerprint
from tidegate.domain.exchange import AuditReport, Offer, Offers, SharedKeys
from tidegate.domain.guarantee import Guarantee
from tidegate.domain.identity import Identity
from tidegate.domain.label import LabelRow, Owner, Purge
from tidegate.domain.learn_policy import LearnPolicy
from tidegate.domain.question import Question
from tidegate.errors import BundleError, ExchangeRefused, Forbidden, InvalidRequest, UnknownObject
from tidegate.learning.audit import Keys, role
from tidegate.learning.exchange import may_leave, placed
from tidegate.learning.rows import options
from tidegate.ports.clock import Clock
from tidegate.wire.exchange import (
    CountsBody,
    CountsTaken,
    LabelRowBody,
    LabelsBody,
    LabelsTaken,
    PurgeBody,
    PurgeDone,
    counts_of,
    encode_offers,
    grams_of,
    vector_of,
)

HASH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Known:
    """What the desk answers by at this moment."""

    policy: LearnPolicy
    verdicts: Mapping[Owner, Guarantee]
    questions: Mapping[Owner, Question]
    encoder: str
    """Fingerprint."""
    dimensions: int
    zone: str
    bundle_zones: frozenset[str]
    """Other zones whose nodes may have what was learned in this one."""
    generation: int
    learns: bool
    """Some route does."""


class LabelIntake(Protocol):
    """Where received rows go; every call is durable when it returns. Raises StateError."""

    def takes(self, owner: Owner, question: Question) -> bool:
        """Tell whether labels of this owner are kept; there may be too many tasks already."""
        ...

    async def receive(self, owner: Owner, question: Question, rows: Sequence[LabelRow]) -> int:
        """Store rows that are not there yet; gives how many are new."""
        ...

    async def count(self, report: AuditReport, question: Question) -> bool:
        """Store a report; False when it is there already."""
        ...

    async def purge(self, purge: Purge) -> int:
        """Delete rows for good; gives how many."""
        ...


class Archives(Protocol):
    """Bundles as they travel."""

    async def archive(self, name: str, version: str) -> bytes:
        """Give one version as an archive; raises BundleError."""
        ...


@dataclass(frozen=True, slots=True)
class LearnerDesk:
    """Serves nodes that collect for this one, or pull from it."""

    clock: Clock
    keys: Keys
    known: Callable[[], Known]
    intake: LabelIntake
    archives: Archives

    def admit(self, identity: Identity) -> None:
        """Raise Forbidden for whoever is not a node that may learn."""
        if identity.role != "node" or not identity.may("learn"):
            raise Forbidden(
                "This path is for nodes that share a learner: keys of role `node` with the scope"
                " `learn`."
            )

    def offers(self, zone: str) -> tuple[bytes, str]:
        """Give what a node of this zone may pull, with a tag that changes when it does."""
        known = self._known_to(zone)
        may_send = may_leave(zone, known.zone)
        shared = SharedKeys(self.keys.group, self.keys.role, self.keys.user) if may_send else None
        tasks = [
            Offer(owner, question, known.verdicts.get(owner))
            for owner, question in known.questions.items()
            if known.policy.role_of(owner.task) == "learn"
        ]
        tasks.sort(key=lambda one: (one.owner.task, one.owner.tenant))
        body = encode_offers(Offers(known.encoder, known.zone, shared, tuple(tasks)))
        return body, f'"{sha256(body).hexdigest()[:32]}"'

    async def bundle(self, zone: str, name: str, version: str) -> bytes:
        """Give one version of a learned bundle as an archive."""
        known = self._known_to(zone)
        mine = {
            owner.key for owner in known.questions if known.policy.role_of(owner.task) == "learn"
        }
        if name not in mine:
            raise UnknownObject(name)
        try:
            return await self.archives.archive(name, version)
        except BundleError as error:
            raise ExchangeRefused("unknown", str(error)) from error

    async def take_labels(self, identity: Identity, body: LabelsBody) -> LabelsTaken:
        """Store rows of one tenant; those that are here already are not stored again."""
        known = self.known()
        owner, print_ = self._owner(known, identity, body.task, body.question)
        if body.encoder != known.encoder:
            raise ExchangeRefused(
                "encoder",
                f"The vectors are of another encoder ({body.encoder[:12]}, here"
                f" {known.encoder[:12]}); run all nodes of a learner on the same one.",
            )
        rows = []
        for place, given in enumerate(body.rows):
            self._check(given, f"rows[{place}]", body.question, known)
            rows.append(self._row(given, owner, identity.tenant, print_, known))
        verdict = known.verdicts.get(owner)
        sampled = [placed(row, verdict) for row in rows]
        return LabelsTaken(new=await self.intake.receive(owner, body.question, sampled))

    async def take_counts(self, identity: Identity, body: CountsBody) -> CountsTaken:
        """Count audits of which the rows do not travel; once for each report."""
        known = self.known()
        owner, _ = self._owner(known, identity, body.task, body.question)
        counts = counts_of(body)
        for place, one in enumerate(counts):
            if not one.disagreed <= one.accepted <= one.seen:
                raise InvalidRequest(
                    "`disagreed` is at most `accepted`, and that at most `seen`.",
                    param=f"counts[{place}]",
                )
        report = AuditReport(body.id, owner, counts)
        return CountsTaken(is_new=await self.intake.count(report, body.question))

    async def purge(self, identity: Identity, body: PurgeBody) -> PurgeDone:
        """Delete rows of the tenant for good, whichever node they came from."""
        purge = Purge(tenant=identity.tenant, user=body.user, before=body.before)
        return PurgeDone(rows=await self.intake.purge(purge))

    def _known_to(self, zone: str) -> Known:
        known = self.known()
        if not known.learns:
            raise ExchangeRefused("unknown", "This node does not learn; no route has `learn`.")
        if zone != known.zone and zone not in known.bundle_zones:
            raise ExchangeRefused(
                "zone",
                f"What was learned in the zone {known.zone!r} is not given to nodes of the zone"
                f" {zone!r}; if it may be, list that under `learning.bundle_zones` here.",
            )
        return known

    def _owner(
        self, known: Known, identity: Identity, task: str, question: Question
    ) -> tuple[Owner, str]:
        """Tell whose rows these are by this node's own configuration."""
        print_ = fingerprint(question)
        if print_ is None:
            raise InvalidRequest("`question` has no instructions.", param="question.instructions")
        if not known.learns:
            raise ExchangeRefused("unknown", "This node does not learn; no route has `learn`.")
        owner = known.policy.owner_of(print_, identity.tenant)
        if owner.task != task:
            if any(one.name == task for one in known.policy.tasks.values()):
                raise ExchangeRefused(
                    "question",
                    f"The task `{task}` asks another question here; word it alike on all nodes.",
                )
            raise ExchangeRefused(
                "unknown",
                f"This node has no task `{task}` and knows that question as `{owner.task}`.",
            )
        if known.policy.role_of(task) != "learn":
            raise ExchangeRefused("unknown", f"This node is not the learner of `{task}`.")
        if not self.intake.takes(owner, question):
            raise ExchangeRefused(
                "unknown",
                "There are too many tasks of questions without a name here; see"
                " `learning.automatic_tasks`.",
            )
        return owner, print_

    def _check(self, given: LabelRowBody, param: str, question: Question, known: Known) -> None:
        """Raise for a row that cannot be what it is said to be."""
        if not may_leave(given.zone, known.zone):
            raise ExchangeRefused(
                "zone",
                f"A label of the zone {given.zone!r} may not be kept in the zone {known.zone!r}.",
            )
        if len(given.vector) != 2 * known.dimensions or len(given.grams) % HASH_BYTES:
            raise InvalidRequest(
                f"`{param}.vector` is not {known.dimensions} float16 values, or `grams` no uint32.",
                param=f"{param}.vector",
            )
        if not np.isfinite(vector_of(given)).all():
            raise InvalidRequest(f"`{param}.vector` is not finite.", param=f"{param}.vector")
        labels = options(question)
        if not any(type(given.label) is type(one) and given.label == one for one in labels):
            raise InvalidRequest(
                f"`{param}.label` is none of the question's.", param=f"{param}.label"
            )
        if len(given.probabilities) not in (0, 1, len(labels)):
            raise InvalidRequest(
                f"`{param}.probabilities` is not one a label.", param=f"{param}.probabilities"
            )

    def _row(
        self, given: LabelRowBody, owner: Owner, tenant: str, print_: str, known: Known
    ) -> LabelRow:
        return LabelRow(
            row_id=given.id,
            owner=owner,
            tenant=tenant,
            question=print_,
            origin=given.origin,
            role=role(self.keys, given.group),
            group=given.group,
            cluster=given.cluster,
            user=given.user,
            label=given.label,
            probabilities=given.probabilities,
            vector=vector_of(given),
            upstream=given.upstream,
            model=given.model,
            # A clock that is ahead would make a row look younger than a test that came before it.
            time=min(given.time, self.clock.now()),
            zone=given.zone,
            region=given.region,
            encoder=known.encoder,
            generation=known.generation,
            share=given.share if given.origin == "audit" else 0.0,
            stratum=given.stratum,
            grams=grams_of(given),
            language=given.language,
            text=given.text if tenant in known.policy.keep_text else None,
        )
