"""Run a graph that was just built: for calibration, golden vectors and measurement."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import onnxruntime

from tidegate.adapters.engines.encoder_build.safetensors import Tensor


class Session:
    """One model on one thread; texts go in as token ids, one at a time.

    Sums are exact on every processor, so that golden vectors do not depend on the one at hand.
    """

    def __init__(self, model: bytes, *, sums: Literal["fast", "exact"] = "exact") -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if sums == "exact":
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, ids: Sequence[int], outputs: Sequence[str]) -> list[Tensor]:
        """The named outputs for one text."""
        inputs = {"input_ids": np.array([ids], np.int64)}
        values: list[Tensor] = self._session.run(outputs, inputs)
        return values

    def vector(self, ids: Sequence[int]) -> Tensor:
        """The pooled vector of one text."""
        vector: Tensor = self.run(ids, ["e"])[0][0]
        return vector


def channel_maxima(
    model: bytes, texts: Sequence[Sequence[int]], report: Callable[[int], None]
) -> dict[str, Tensor]:
    """The largest absolute value per channel of every tapped input (`graph.build(taps=True)`).

    `report` gets how many texts are done.
    """
    session = Session(model)
    taps = [name for name in session.outputs if name.endswith(".input")]
    maxima: dict[str, Tensor] = {}
    for done, ids in enumerate(texts, start=1):
        for name, value in zip(taps, session.run(ids, taps), strict=True):
            largest = np.abs(value[0]).max(axis=0)
            maxima[name] = np.maximum(maxima.get(name, largest), largest)
        report(done)
    return maxima
