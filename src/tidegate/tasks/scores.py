"""What heads say about a text: one matrix product for all that are asked, then their calibration.

A head pools the windows of a long text by their mean, which is the encoding's own vector, or takes
the best score of any window; what its n-gram channel says is added then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.domain.bundle import Float32, Head, NgramChannel
from tidegate.domain.encoding import Encoding
from tidegate.statistics import linear, ngrams
from tidegate.statistics.calibration import probabilities

Hashed = dict[tuple[str, int], list[int]]
"""The buckets of one text, by scheme and number of buckets: heads that hash alike share them."""

WORTH_IT = 0.5
"""Share of the matrix that must be asked for; below, products of single heads are cheaper."""
ENOUGH = 2
"""N-gram channels that are worth a matrix of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The heads that a configuration names, as one matrix."""

    rows: Mapping[str, slice]
    """Where the labels of each head stand, by the content hash of its bundle."""
    weights: Float32
    bias: Float32
    channel: NgramChannel | None = None
    """The n-gram channels side by side, where all that there are hash alike."""

    def score(
        self, asked: Mapping[str, Head], text: str, encoding: Encoding
    ) -> dict[str, list[float]]:
        """Give the calibrated probabilities of these heads' labels, by the key that they have.

        Heads that are not in the matrix, or too few of it to be worth the whole product, are
        multiplied one by one.
        """
        known = {key: head for key, head in asked.items() if key in self.rows}
        labels = sum(len(head.labels) for head in known.values())
        if len(known) == 1 or labels < len(self.bias) * WORTH_IT:
            known = {}
        raw: Float32 | None = None
        said: Float32 | None = None
        hashed: Hashed = {}
        if known:
            raw = linear.scores(self.weights, self.bias, _vectors(encoding, known.values()))
            said = None if self.channel is None else _said(self.channel, text, hashed)
        scored = {}
        for key, head in asked.items():
            if raw is None or key not in known:
                scored[key] = _score(head, text, encoding, hashed)
                continue
            own = _pooled(head, raw[..., self.rows[key]])
            if said is not None:
                own += said[self.rows[key]]
            elif head.ngrams is not None:
                own += _said(head.ngrams, text, hashed)
            scored[key] = _calibrated(head, own)
        return scored


def fuse(heads: Mapping[str, Head]) -> Heads:
    """Put heads into one matrix; they read vectors of the same encoder."""
    rows, end = {}, 0
    for key, head in heads.items():
        rows[key] = slice(end, end + len(head.labels))
        end += len(head.labels)
    width = next((head.weights.shape[1] for head in heads.values()), 0)
    weights = [head.weights for head in heads.values()]
    bias = [head.bias for head in heads.values()]
    return Heads(
        rows=rows,
        weights=np.concatenate([np.zeros((0, width), np.float32), *weights]),
        bias=np.concatenate([np.zeros(0, np.float32), *bias]),
        channel=_side_by_side(list(heads.values())),
    )


def score(head: Head, text: str, encoding: Encoding) -> list[float]:
    """Give the calibrated probability of each label, in the head's order."""
    return _score(head, text, encoding, {})


def _score(head: Head, text: str, encoding: Encoding, hashed: Hashed) -> list[float]:
    raw = _pooled(head, linear.scores(head.weights, head.bias, _vectors(encoding, (head,))))
    if head.ngrams is not None:
        raw += _said(head.ngrams, text, hashed)
    return _calibrated(head, raw)


def _side_by_side(heads: Sequence[Head]) -> NgramChannel | None:
    """Put n-gram channels that hash alike into one, so that a text costs one look-up.

    None where there is at most one to look up, or they do not hash alike.
    """
    channels = [head.ngrams for head in heads if head.ngrams is not None]
    if len(channels) < ENOUGH or len({(one.scheme, len(one.weights)) for one in channels}) > 1:
        return None
    buckets = len(channels[0].weights)
    columns = [
        np.zeros((buckets, len(head.labels)), np.float32)
        if head.ngrams is None
        else head.ngrams.weights
        for head in heads
    ]
    return NgramChannel(channels[0].scheme, np.concatenate(columns, axis=1))


def _vectors(encoding: Encoding, heads: Collection[Head]) -> Float32:
    """Give the vector; when a head wants the best window, below it one row a window."""
    if encoding.windows is None or all(head.pooling == "mean" for head in heads):
        return encoding.vector
    return np.concatenate((encoding.vector[None], encoding.windows))


def _pooled(head: Head, raw: Float32) -> Float32:
    if raw.ndim == 1:
        return raw.copy()
    best: Float32 = raw[0].copy() if head.pooling == "mean" else raw[1:].max(axis=0)
    return best


def _said(channel: NgramChannel, text: str, hashed: Hashed) -> Float32:
    key = channel.scheme, len(channel.weights)
    if key not in hashed:
        hashed[key] = ngrams.hashed(text, len(channel.weights))
    return ngrams.contribution(channel, hashed[key])


def _calibrated(head: Head, raw: Float32) -> list[float]:
    values: list[float] = probabilities(raw, head.calibration).tolist()
    return values
