"""A bundle as tests need one: a head that knows nothing, with what matters given by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tidegate.domain.bundle import Bundle, Calibration, Head, Metrics, Provenance
from tidegate.domain.question import ChoiceValue


def a_head(labels: Sequence[ChoiceValue] = ("a", "b"), dimensions: int = 2) -> Head:
    weights = np.zeros((len(labels), dimensions), np.float32)
    bias = np.zeros(len(labels), np.float32)
    return Head(tuple(labels), weights, bias, Calibration(1.0, 0.0))


def a_bundle(**changes: Any) -> Bundle:
    plain = Bundle(
        name="t",
        version="1-0",
        content_hash="c",
        created=0.0,
        encoder="e",
        head=a_head(),
        questions=(),
        metrics=Metrics(10, 5, 0.9, 0.0, 0.0, ()),
        provenance=Provenance("file", "0", 10),
        golden=(),
    )
    return replace(plain, **changes)
