"""From a file of labels to a verdict on a bundle: what `tidegate guarantee` does."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.manifest import check_encoder, unpack
from tidegate.domain.bundle import Bundle, Float32, Novelty
from tidegate.domain.guarantee import AttemptLedger, Guarantee, LabelSource, Level, Loss, Tails
from tidegate.domain.promise import Promise
from tidegate.domain.task import Task
from tidegate.errors import BundleError, FitError
from tidegate.learning.attempts import begun, granted, share
from tidegate.learning.audit_rows import AuditRows, staged, together
from tidegate.learning.cascade import choose_first
from tidegate.learning.drift import tails
from tidegate.learning.feasibility import Traffic
from tidegate.learning.grid import Plan, Terms, prepare
from tidegate.learning.guarantee import Verdict, averaged, verdict
from tidegate.learning.labelled import Halves, Said, parted
from tidegate.learning.rows import Row, options, read_requests, read_rows
from tidegate.ports.encoder import Encoder, StaticTable
from tidegate.ports.learning import GuaranteeStore
from tidegate.statistics.novelty import accept_score
from tidegate.tasks.accept import may_look_first
from tidegate.tasks.cascade import static_score
from tidegate.tasks.scores import score

CHUNK = 32
Report = Callable[[int, int], None]
"""Gets texts done and texts expected."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be shown, on which rows."""

    task: Task
    promise: Promise
    data: bytes
    """JSON lines: `text`, `label` (null: fits none), optionally `family` and `region`; `labels`
    by task in place of `label` where several are promised together."""
    source: str
    """What errors call the data: its file name."""
    now: float
    """Seconds since the epoch, UTC."""
    others: tuple[Task, ...] = ()
    """Those that are promised together with `task`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, as it was stored."""

    guarantee: Guarantee
    calibrating: int
    """Rows that chose the grid."""
    truncated: int
    """Rows left out because the encoder does not read their end."""
    was_tested: bool
    """False: calibrating rows showed that a test was not worth an attempt."""


@dataclass(frozen=True, slots=True)
class Engines:
    """What reads the rows."""

    encoder: Encoder
    table: StaticTable | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """One task with what is to be answered: the only one, or one of those promised together."""

    task: Task
    bundle: Bundle
    rows: Sequence[Row]
    said: list[Said] = field(default_factory=list)
    """By the encoder's head, to the rows that are read whole."""
    first: list[Said] = field(default_factory=list)
    """By the static head; empty where it is not to look first."""


def prove(
    trial: Trial,
    engines: Engines,
    bundles: BundleFolder,
    store: GuaranteeStore,
    report: Report,
) -> Outcome:
    """Test the newest bundle of each task (or the pinned one) and store the verdict. Blocks.

    An attempt is written down before a test row is looked at. Raises FitError, BundleError.
    """
    promise, key = trial.promise, trial.task.name
    members = _members(trial, bundles, engines.encoder.fingerprint)
    kept = asyncio.run(_ask(members, engines, report))
    halves, static_from = _halves(members, kept, promise)
    truncated = len(members[0].rows) - len(kept)
    before = store.ledger(key)

    def concluded(
        found: Verdict, ledger: AttemptLedger, *, least: float | None, was_tested: bool = True
    ) -> Outcome:
        like = _tails(halves.test)
        made = [
            replace(_stored(trial, one, found, ledger, static_from=least), tails=like)
            for one in members
        ]
        for other in made[1:]:
            store.save(other)
        store.save(made[0], None if ledger is before else ledger)
        return Outcome(made[0], len(halves.calibrate), truncated, was_tested)

    if promise.mode == "crc":
        return concluded(averaged(halves.test, promise.alphas), before, least=static_from)
    terms = Terms(promise.alphas, promise.delta, promise.unit)
    plan = prepare(
        halves.calibrate,
        terms,
        share=share(before),
        test_rows=_count(halves.test, promise),
        traffic=Traffic(test_share=len(halves.test) / max(len(kept), 1)),
    )
    if not plan.is_worth_an_attempt:
        untested = _untested(plan, len(halves.test))
        return concluded(untested, before, least=None, was_tested=False)
    spent = begun(before)
    store.spend(key, before, spent)
    found = verdict(plan, halves.test, terms)
    if found.is_granted:
        spent = granted(spent, plan.outcomes, trial.now)
    return concluded(found, spent, least=static_from)


def served_bundle(task: Task, bundles: BundleFolder, encoder: str) -> Bundle:
    """Read the pinned version of the task's bundle, else the newest."""
    version = task.bundle_version or bundles.latest(task.bundle)
    if version is None:
        raise BundleError(
            f"There is no bundle `{task.bundle}` yet: tidegate train FILE.jsonl --task {task.name}"
        )
    bundle = unpack(bundles.read(task.bundle, version), name=task.bundle, version=version)
    check_encoder(bundle, encoder)
    return bundle


def _members(trial: Trial, bundles: BundleFolder, encoder: str) -> list[_Member]:
    """Read the rows and the bundles that are to answer them; none may have been fitted on these."""
    tasks = (trial.task, *trial.others)
    if trial.others:
        rows = read_requests(trial.data, [task.name for task in tasks], source=trial.source)
    else:
        rows = [read_rows(trial.data, source=trial.source)]
    members = []
    for task, own in zip(tasks, rows, strict=True):
        bundle = served_bundle(task, bundles, encoder)
        if sha256(trial.data).hexdigest() == bundle.provenance.sha256:
            raise FitError(
                f"{trial.source} is the file that bundle `{bundle.name}` {bundle.version} was"
                " fitted on; give rows that it has never seen."
            )
        members.append(_Member(task, bundle, own))
    return members


async def _ask(members: Sequence[_Member], engines: Engines, report: Report) -> list[int]:
    """Let the bundles answer each text; gives the places of those that the encoder reads whole."""
    texts = [row.text for row in members[0].rows]
    kept: list[int] = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        encodings = await asyncio.gather(*(engines.encoder.encode(text) for text in chunk))
        for place, (text, encoding) in enumerate(zip(chunk, encodings, strict=True), start):
            if encoding.is_truncated:
                continue
            kept.append(place)
            for one in members:
                given = score(one.bundle.head, text, encoding)
                one.said.append(_said(given, encoding.vector, one.bundle.novelty))
            # What is promised together is answered by the encoder alone.
            if len(members) == 1:
                _ask_first(members[0], engines.table, text)
        report(start + len(chunk), len(texts))
    return kept


def _ask_first(member: _Member, table: StaticTable | None, text: str) -> None:
    """Let the static head answer, where it may look before the encoder."""
    head = member.bundle.static
    if table is None or head is None or head.novelty is None:
        return
    if not may_look_first(member.task, member.bundle, table.fingerprint):
        return
    embedded = table.embed(text)
    if embedded is None:
        member.first.append(Said(member.said[-1].probabilities, -math.inf))
        return
    given = static_score(head, embedded.vector)
    member.first.append(_said(given, embedded.vector, head.novelty))


def _said(given: Sequence[float], vector: Float32, novelty: Novelty | None) -> Said:
    answer = int(np.argmax(given))
    return Said(tuple(given), accept_score(novelty, vector, answer, given[answer]))


def _halves(
    members: Sequence[_Member], kept: Sequence[int], promise: Promise
) -> tuple[Halves, float | None]:
    """Part the rows, scored as they will be when served, and tell where the first stage ends."""
    parts = []
    for one in members:
        rows = [one.rows[place] for place in kept]
        loss = _loss(one.task, promise)
        parts.append((parted(rows, one.said, one.bundle, loss), rows, loss))
    if len(members) > 1:
        every = [halves for halves, _, _ in parts]
        calibrate = together([halves.calibrate for halves in every])
        return Halves(calibrate, together([halves.test for halves in every])), None
    ((then, rows, loss),) = parts
    (only,) = members
    if not only.first:
        return then, None
    first = parted(rows, only.first, only.bundle, loss)
    least = choose_first(first.calibrate, then.calibrate, promise.max_error)
    calibrate = staged(first.calibrate, then.calibrate, least)
    return Halves(calibrate, staged(first.test, then.test, least)), least


def _loss(task: Task, promise: Promise) -> Loss:
    """Give the loss of a task's own question, with the critical labels that are its options."""
    question = task.question
    if question is None:
        return promise.loss
    loss = promise.loss.of(question.type)
    return replace(
        loss, critical=tuple(label for label in loss.critical if label in options(question))
    )


def _count(rows: AuditRows, promise: Promise) -> int:
    """Count what the unit of the bound counts."""
    return len(np.unique(rows.groups)) if promise.unit == "distinct decision" else len(rows)


def _tails(rows: AuditRows) -> Tails | None:
    """Describe the test rows, so that the traffic of a node can be held against them.

    Of tasks promised together a row has the least of their scores: no single one is lower.
    """
    first = np.unique(rows.groups, return_index=True)[1]
    return tails(rows.scores, rows.scores[first])


def _untested(plan: Plan, rows: int) -> Verdict:
    levels = tuple(
        Level(grid.aim.alpha, None, 0, 0, 0.0, 1.0, grid.otherwise) for grid in plan.grids
    )
    return Verdict(levels, (), (), rows)


def _stored(
    trial: Trial,
    member: _Member,
    found: Verdict,
    ledger: AttemptLedger,
    *,
    static_from: float | None,
) -> Guarantee:
    promise, bundle = trial.promise, member.bundle
    own = found.levels[-1]
    kind = "gold" if promise.labels == "agreement" else promise.labels
    lacking = own.infeasible
    return Guarantee(
        task=member.task.name,
        bundle=bundle.content_hash,
        bundle_version=bundle.version,
        encoder=bundle.encoder,
        state="none" if own.threshold is None else "granted",
        reason="" if lacking is None else lacking.reason,
        mode=promise.mode,
        loss=promise.loss,
        unit=promise.unit,
        labels=LabelSource(kind),
        delta=promise.delta,
        levels=found.levels,
        rows=found.rows,
        attempt=ledger.attempts,
        granted_at=trial.now,
        expires_at=trial.now + promise.expires_after_s,
        expires_after_answers=promise.expires_after_answers,
        critical=found.critical,
        strata=found.strata,
        together=promise.together,
        static_from=static_from,
    )
