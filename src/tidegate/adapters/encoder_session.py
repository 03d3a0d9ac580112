"""Opens an ONNX file as something that gives `e` and `h` for one text, whoever wrote the graph.

Graphs of encoder_build take `input_ids` alone and pool themselves. Those that others export want an
attention mask too and give token states; they are pooled here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from tidegate.adapters.encoder_files import Pooling
from tidegate.errors import EncoderUnusable, EngineError

IDS = "input_ids"
MASK = "attention_mask"
TYPES = "token_type_ids"
STATES = ("last_hidden_state", "token_embeddings")
"""What exporters call the token states; the first output counts where it is neither."""

Sums = Literal["fast", "exact"]


class Session(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.int64]], /
    ) -> Sequence[NDArray[np.float32]]:
        """Give the named outputs for one window of token ids."""
        ...


class _Node(Protocol):
    @property
    def name(self) -> str: ...


class _Runtime(Session, Protocol):
    def get_inputs(self) -> Sequence[_Node]: ...

    def get_outputs(self) -> Sequence[_Node]: ...


class _Told:
    """A graph whose failures while it runs are errors of an engine."""

    def __init__(self, runtime: Session, path: Path, refusals: tuple[type[Exception], ...]) -> None:
        self._runtime = runtime
        self._path = path
        self._refusals = refusals

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.int64]], /
    ) -> Sequence[NDArray[np.float32]]:
        try:
            return self._runtime.run(outputs, inputs)
        except self._refusals as error:
            reason = str(error).partition("\n")[0][:300]
            raise EngineError(f"`{self._path}` failed while it ran: {reason}") from error


class _Pooled:
    """A graph that gives token states, made to look like one that pools."""

    def __init__(
        self, runtime: Session, *, inputs: Sequence[str], states: str, pooling: Pooling
    ) -> None:
        self._runtime = runtime
        self._inputs = inputs
        self._states = states
        self._pooling = pooling

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.int64]], /
    ) -> Sequence[NDArray[np.float32]]:
        ids = inputs[IDS]
        given = {IDS: ids, MASK: np.ones_like(ids), TYPES: np.zeros_like(ids)}
        fed = {name: given[name] for name in self._inputs}
        states = np.asarray(self._runtime.run([self._states], fed)[0], np.float32)
        pooled = states[:, 0] if self._pooling == "cls" else states.mean(axis=1)
        length = np.maximum(np.linalg.norm(pooled, axis=-1, keepdims=True), np.float32(1e-12))
        found = {"e": pooled / length, "h": states}
        return [found[name] for name in outputs]


def open_session(path: Path, pooling: Pooling, *, sums: Sums) -> Session:
    """Open a file; raises EncoderUnusable for one that is cut or needs what is not there."""
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # What goes wrong is an exception as well; only what ends the process is printed besides.
    options.log_severity_level = 4
    # The file is fused already; the level above would only add layouts for one processor.
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if sums == "exact":
        options.add_session_config_entry("session.x64quantprecision", "1")
    refusals = (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NoSuchFile,
        errors.NotImplemented,
        errors.RuntimeException,
    )
    try:
        opened = InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except refusals as error:
        reason = str(error).partition("\n")[0][:300]
        raise EncoderUnusable(
            f"`{path}` cannot be run: {reason}. Is the file whole, and does it need operators that"
            " this onnxruntime lacks?"
        ) from error
    return _Told(_fitted(cast("_Runtime", opened), path, pooling), path, refusals)


def _fitted(runtime: _Runtime, path: Path, pooling: Pooling) -> Session:
    inputs = [one.name for one in runtime.get_inputs()]
    outputs = [one.name for one in runtime.get_outputs()]
    if inputs == [IDS] and {"e", "h"} <= set(outputs):
        return runtime
    unknown = sorted(set(inputs) - {IDS, MASK, TYPES})
    if IDS not in inputs or unknown:
        raise EncoderUnusable(
            f"`{path}` takes {', '.join(f'`{name}`' for name in inputs)}; an encoder takes `{IDS}`,"
            f" and may take `{MASK}` and `{TYPES}`"
        )
    states = next((name for name in STATES if name in outputs), outputs[0])
    return _Pooled(runtime, inputs=inputs, states=states, pooling=pooling)
