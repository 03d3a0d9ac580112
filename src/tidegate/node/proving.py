"""From a file of labels to a verdict on a bundle: what `tidegate guarantee` does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.manifest import check_encoder, unpack
from tidegate.domain.bundle import Bundle
from tidegate.domain.guarantee import AttemptLedger, Guarantee, LabelSource, Level
from tidegate.domain.promise import Promise
from tidegate.domain.task import Task
from tidegate.errors import BundleError, FitError
from tidegate.learning.attempts import begun, granted, share
from tidegate.learning.audit_rows import AuditRows
from tidegate.learning.feasibility import Traffic
from tidegate.learning.grid import Plan, Terms, prepare
from tidegate.learning.guarantee import Verdict, averaged, verdict
from tidegate.learning.labelled import Said, parted
from tidegate.learning.rows import Row, read_rows
from tidegate.ports.encoder import Encoder
from tidegate.ports.learning import GuaranteeStore
from tidegate.statistics.novelty import accept_score
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
    """JSON lines: `text`, `label` (null: fits none), optionally `family`."""
    source: str
    """What errors call the data: its file name."""
    now: float
    """Seconds since the epoch, UTC."""


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


def prove(
    trial: Trial,
    encoder: Encoder,
    bundles: BundleFolder,
    store: GuaranteeStore,
    report: Report,
) -> Outcome:
    """Test the newest bundle of the task (or the pinned one) and store the verdict. Blocks.

    An attempt is written down before a test row is looked at. Raises FitError, BundleError.
    """
    bundle = served_bundle(trial.task, bundles, encoder.fingerprint)
    if sha256(trial.data).hexdigest() == bundle.provenance.sha256:
        raise FitError(
            f"{trial.source} is the file that bundle `{bundle.name}` {bundle.version} was fitted"
            " on; give rows that it has never seen."
        )
    rows = read_rows(trial.data, source=trial.source)
    kept, said = asyncio.run(_ask(rows, bundle, encoder, report))
    halves = parted(kept, said, bundle, trial.promise.loss)
    promise = trial.promise
    truncated = len(rows) - len(kept)
    if promise.mode == "crc":
        every = averaged(halves.test, promise.alphas)
        made = _stored(trial, bundle, every, store.ledger(trial.task.name))
        store.save(made)
        return Outcome(made, len(halves.calibrate), truncated, was_tested=True)
    terms = Terms(promise.alphas, promise.delta, promise.unit)
    before = store.ledger(trial.task.name)
    plan = prepare(
        halves.calibrate,
        terms,
        share=share(before),
        test_rows=_count(halves.test, promise),
        traffic=Traffic(test_share=len(halves.test) / len(kept)),
    )
    if not plan.is_worth_an_attempt:
        made = _stored(trial, bundle, _untested(plan, len(halves.test)), before)
        store.save(made)
        return Outcome(made, len(halves.calibrate), truncated, was_tested=False)
    spent = begun(before)
    store.spend(trial.task.name, before, spent)
    found = verdict(plan, halves.test, terms)
    if found.is_granted:
        spent = granted(spent, plan.outcomes, trial.now)
    made = _stored(trial, bundle, found, spent)
    store.save(made, spent)
    return Outcome(made, len(halves.calibrate), truncated, was_tested=True)


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


async def _ask(
    rows: Sequence[Row], bundle: Bundle, encoder: Encoder, report: Report
) -> tuple[list[Row], list[Said]]:
    """Let the bundle answer each text that the encoder reads whole."""
    kept: list[Row] = []
    said: list[Said] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        encodings = await asyncio.gather(*(encoder.encode(row.text) for row in chunk))
        for row, encoding in zip(chunk, encodings, strict=True):
            if encoding.is_truncated:
                continue
            given = score(bundle.head, row.text, encoding)
            answer = int(np.argmax(given))
            sure = accept_score(bundle.novelty, encoding.vector, answer, given[answer])
            kept.append(row)
            said.append(Said(tuple(given), sure))
        report(start + len(chunk), len(rows))
    return kept, said


def _count(rows: AuditRows, promise: Promise) -> int:
    """Count what the unit of the bound counts."""
    return len(np.unique(rows.groups)) if promise.unit == "distinct decision" else len(rows)


def _untested(plan: Plan, rows: int) -> Verdict:
    levels = tuple(
        Level(grid.aim.alpha, None, 0, 0, 0.0, 1.0, grid.otherwise) for grid in plan.grids
    )
    return Verdict(levels, (), (), rows)


def _stored(trial: Trial, bundle: Bundle, found: Verdict, ledger: AttemptLedger) -> Guarantee:
    promise = trial.promise
    own = found.levels[-1]
    kind = "gold" if promise.labels == "agreement" else promise.labels
    lacking = own.infeasible
    return Guarantee(
        task=trial.task.name,
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
    )
