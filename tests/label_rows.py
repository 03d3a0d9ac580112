"""A label row as tests need one: plain, with what matters given by name."""

from dataclasses import replace
from typing import Any

import numpy as np

from tidegate.domain.label import LabelRow, Owner


def a_label(row_id: str = "r1/0", **changes: Any) -> LabelRow:
    plain = LabelRow(
        row_id=row_id,
        owner=Owner("support", "acme"),
        tenant="acme",
        question="q" * 64,
        origin="audit",
        role="fit",
        group=row_id.encode(),
        cluster=row_id.encode(),
        user=None,
        label="refund",
        probabilities=(0.75, 0.25),
        vector=np.array([0.5, -0.5, 0.25, 1.0], dtype=np.float32),
        upstream="central",
        model="gpt",
        time=1_800_000_000.0,
        zone="eu",
        region="eu-west",
        encoder="e" * 64,
        generation=1,
        share=1.0,
        stratum=0,
    )
    return replace(plain, **changes)
