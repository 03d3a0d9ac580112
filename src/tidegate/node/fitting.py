"""From label rows to a new bundle: the learner's side of what `training.py` does for files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.adapters.fitter.child_process import fit
from tidegate.bundles.fingerprint import fingerprint
from tidegate.bundles.golden import TEXTS
from tidegate.bundles.manifest import Draft, pack, unpack
from tidegate.domain.bundle import Bundle, Calibration, Golden, Head, NgramChannel, Provenance
from tidegate.domain.encoding import Encoding
from tidegate.domain.label import LabelRow
from tidegate.domain.question import Question
from tidegate.learning.fit import folds, measure
from tidegate.learning.novelty import Seen, fit_novelty
from tidegate.learning.traffic import (
    Material,
    grams_of,
    places_of,
    raw_scores,
    vectors_of,
    widened,
    widened_novelty,
)
from tidegate.statistics import calibration, ngrams
from tidegate.tasks.scores import score

NULL_SEED = 1
ENOUGH_TO_CALIBRATE = 50
"""Calibrating rows from which on they alone set the temperature; below, out-of-fold scores do."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What the golden texts look like to the encoder."""

    encoder: str
    """Fingerprint."""
    encodings: Sequence[Encoding]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made."""

    name: str
    question: Question
    now: float
    """Seconds since the epoch, UTC."""


def fit_rows(
    order: Order,
    material: Material,
    texts: Texts,
    *,
    bundles: BundleFolder,
    report: Callable[[int, int], None],
) -> Bundle:
    """Fit, calibrate and store; the bundle is there whole when this returns. Blocks."""
    rows = material.parts.fit
    labels = [material.labels[place] for place in material.present]
    vectors, targets = vectors_of(rows), places_of(rows, labels)
    assigned = folds([row.group.hex() for row in rows])
    fitted = fit(
        vectors, targets, assigned, labels=len(labels), report=report, grams=grams_of(rows)
    )
    measured = measure(fitted.scores, targets, assigned, labels, np.random.default_rng(NULL_SEED))
    narrow = Head(
        labels=tuple(labels),
        weights=fitted.weights,
        bias=fitted.bias,
        calibration=measured.calibration,
        ngrams=None if fitted.ngrams is None else NgramChannel(ngrams.SCHEME, fitted.ngrams),
    )
    narrow = replace(narrow, calibration=_calibrated(narrow, material.parts.calibrate))
    # Means and covariances of training rows; what they say is fitted fold by fold.
    seen = Seen(vectors, targets, assigned, fitted.scores, measured.calibration)
    novelty = widened_novelty(fit_novelty(seen, None), material.present, len(material.labels))
    head = widened(narrow, material.present, material.labels)
    wording = fingerprint(order.question)
    draft = Draft(
        name=order.name,
        created=order.now,
        encoder=texts.encoder,
        head=head,
        questions=() if wording is None else (wording,),
        metrics=measured.metrics,
        provenance=Provenance(
            "traffic",
            _named(rows),
            len(rows),
            # Calibrating rows have set the temperature.
            zones=tuple(sorted({row.zone for row in (*rows, *material.parts.calibrate)})),
            upstream=material.source.upstream,
            model=material.source.model,
        ),
        golden=tuple(
            Golden(text, tuple(score(head, text, encoding)))
            for text, encoding in zip(TEXTS, texts.encodings, strict=True)
        ),
        novelty=novelty,
    )
    version, content = pack(draft, bundles.next_number(order.name))
    bundles.write(order.name, version, content)
    return unpack(content, name=order.name, version=version)


def _calibrated(head: Head, rows: Sequence[LabelRow]) -> Calibration:
    """Set the temperature on rows that were drawn, not on those that went up for being hard."""
    known = [row for row in rows if row.label in head.labels]
    if len(known) < ENOUGH_TO_CALIBRATE:
        return head.calibration
    return calibration.fit(raw_scores(head, known), places_of(known, head.labels))


def _named(rows: Sequence[LabelRow]) -> str:
    digest = sha256()
    for row in rows:
        digest.update(row.row_id.encode() + b"\n")
    return digest.hexdigest()
