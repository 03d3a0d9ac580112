"""A bundle: one fitted head with everything that says when it may be used."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.question import ChoiceValue

Float32 = NDArray[np.float32]

PLAIN_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,63}")
"""Names of bundles and of their files (`fullmatch`): nothing that could leave a folder."""
VERSION = re.compile(r"(?P<number>[1-9][0-9]{0,8})-(?P<hash>[0-9a-f]{12})")
"""Versions of bundles (`fullmatch`)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperature scaling with a temperature that may depend on the margin m.

    T = temperature (1 + m)^slope; m is the lead of the best score over the second; a slope of 0 is
    plain temperature scaling.
    """

    temperature: float
    slope: float


Pooling = Literal["mean", "max"]
"""What counts of a text of several windows: their mean, or for each label its best window."""

NgramScheme = Literal["words-1-2"]
"""How a text becomes hashed n-grams, see `statistics/ngrams.py`; another way gets another name."""


@dataclass(frozen=True, slots=True, eq=False)
class NgramChannel:
    """What the n-grams of a text add to a head's scores."""

    scheme: NgramScheme
    weights: Float32
    """One row a bucket, one column a label; read-only."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear classifier on the encoder's pooled vector, with its calibration.

    Scores are weights @ vector + bias, in the order of `labels`, plus those of `ngrams`.
    """

    labels: tuple[ChoiceValue, ...]
    weights: Float32
    """One row a label, one column a dimension of the encoder; read-only."""
    bias: Float32
    calibration: Calibration
    ngrams: NgramChannel | None = None
    pooling: Pooling = "mean"


@dataclass(frozen=True, slots=True)
class StaticMetrics:
    """How good static head and encoder are as a pair, on rows that neither had seen."""

    accuracy: float
    """Of the static head alone."""
    share: float
    """Of rows that stop at the static head."""
    pair_accuracy: float
    encoder_accuracy: float
    """Of the encoder's head alone, on the same rows."""


@dataclass(frozen=True, slots=True, eq=False)
class StaticHead:
    """A linear classifier on static embeddings, with its own calibration; labels as the head's."""

    table: str
    """Fingerprint of the table of token vectors that it reads."""
    weights: Float32
    """One row a label, one column a dimension of the table; read-only."""
    bias: Float32
    calibration: Calibration
    threshold: float
    """Least confidence at which it answers before the encoder looks (`learning/cascade.py`)."""
    metrics: StaticMetrics
    novelty: "Novelty | None" = None
    """Makes an accept score of its confidence; None: it answers nothing under a guarantee."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The accept score, P(right and in scope), as a logistic model of two values.

    ln(p / (1 - p)) of the confidence p, and the novelty; see `statistics/novelty.py`.
    """

    intercept: float
    confidence: float
    novelty: float


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """How unlike the rows of its answer's label a vector v is, and what that says of the answer.

    For label c: v' form v + slopes[c] . v + offsets[c], higher for what is more unlike.
    """

    form: Float32
    """Square, in the dimensions of the vectors; read-only."""
    slopes: Float32
    """One row a label; read-only."""
    offsets: Float32
    """One value a label; read-only."""
    acceptance: Acceptance


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The largest share of rows, surest first, of which at most `error` are wrong.

    Nothing is guaranteed: the threshold is chosen on the rows that measure it.
    """

    error: float
    coverage: float
    threshold: float | None
    """Least confidence among them; None where not even the surest row may be answered."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """How good the head is on rows that it did not see (out-of-fold). Fractions of 1."""

    rows: int
    folds: int
    accuracy: float
    ece: float
    """Expected calibration error, 15 equal-width bins."""
    ece_null95: float
    """95th percentile of the same for a perfectly calibrated model: below it, none is shown."""
    points: tuple[OperatingPoint, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the labels came from."""

    source: Literal["file", "traffic"]
    sha256: str
    """Of the label file, or of the names of the label rows."""
    rows: int
    zones: tuple[str, ...] = ()
    """Residency zones that the rows came from; empty when nothing was stated."""
    upstream: str | None = None
    """Who gave the labels, and its model; None for a file."""
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Golden:
    """A fixed text and the probabilities that the heads gave it where they were fitted."""

    text: str
    probabilities: tuple[float, ...]
    static: tuple[float, ...] | None = None
    """Of the static head; None where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """One version of a bundle. Values are checked when it is unpacked."""

    name: str
    version: str
    """`NUMBER-HASH`: the number grows with each training, the hash is of the content."""
    content_hash: str
    """sha256 over everything but version and time of creation."""
    created: float
    """Seconds since the epoch, UTC."""
    encoder: str
    """Fingerprint of the encoder whose vectors the head reads."""
    head: Head
    questions: tuple[str, ...]
    """Fingerprints of the questions that the head answers as they are worded."""
    metrics: Metrics
    provenance: Provenance
    golden: tuple[Golden, ...]
    licence: str | None = None
    """What the operator states about the labels; None when nothing was stated."""
    static: StaticHead | None = None
    novelty: Novelty | None = None
