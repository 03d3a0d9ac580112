"""Write the ONNX graph of a folded BERT: one text in, token states and one pooled vector out.

The batch is always one text and there is no mask, so a vector cannot depend on other texts or on
padding. Operators are those that ONNX Runtime executes fastest on a CPU: `InstanceNormalization`
stands for layer normalisation because its kernel is vectorised and that of `LayerNormalization`
is not (5.6 against 27 microseconds at 13 tokens of width 384).
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tidegate.adapters.encoder_files import Precision
from tidegate.adapters.engines.encoder_build.checkpoint import Bert, Layer, Linear
from tidegate.adapters.engines.encoder_build.quantise import (
    BLOCK,
    quantise_blocks,
    quantise_columns,
    quantise_rows,
)
from tidegate.adapters.engines.encoder_build.safetensors import Tensor

OPSET = 18
IR_VERSION = 9
_CONTRIB = "com.microsoft"


class _Graph:
    """Nodes and constants in the order in which they are written: names are deterministic."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def add(
        self,
        operator: str,
        *inputs: str,
        name: str,
        domain: str = "",
        **attributes: float | onnx.TensorProto,
    ) -> str:
        """Append a node with one output, which carries the node's name, and return that name."""
        node = helper.make_node(operator, inputs, [name], name=name, domain=domain)
        node.attribute.extend(helper.make_attribute(*pair) for pair in sorted(attributes.items()))
        self.nodes.append(node)
        return name


def build(bert: Bert, precision: Precision, *, taps: bool = False) -> onnx.ModelProto:
    """The model with inputs `input_ids` [1, n] and outputs `h` [1, n, d] and `e` [1, d].

    With `taps` the inputs of all projections are outputs too, named `layer.I.PROJECTION.input`.
    """
    graph = _Graph(bert.shape.epsilon)
    states = _embed(graph, bert, precision)
    for index, layer in enumerate(bert.layers):
        states = _normalise(graph, states, f"layer.{index}.qkv.input")
        states = _layer(graph, layer, states, f"layer.{index}.", bert.shape.heads, precision)
    states = _normalise(graph, states, "final.states")
    _pool(graph, bert, states)
    width = bert.words.shape[1]
    outputs = [
        helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, "n", width]),
        helper.make_tensor_value_info("e", TensorProto.FLOAT, [1, width]),
    ]
    if taps:
        outputs += [
            helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, [1, "n", None])
            for node in graph.nodes
            if node.output[0].endswith(".input")
        ]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "n"])],
            outputs,
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(_CONTRIB, 1)],
        producer_name="tidegate",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


def serialised(model: onnx.ModelProto) -> bytes:
    """The file of a model; the same model gives the same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _embed(graph: _Graph, bert: Bert, precision: Precision) -> str:
    if precision == "int8":
        rows, scales = quantise_rows(bert.words)
        graph.constant("words", rows)
        graph.constant("words.scale", scales[:, None])
        graph.add("Gather", "words", "input_ids", name="embed.row")
        graph.add("Cast", "embed.row", name="embed.cast", to=TensorProto.FLOAT)
        graph.add("Gather", "words.scale", "input_ids", name="embed.scale")
        words = graph.add("Mul", "embed.cast", "embed.scale", name="embed.word")
    else:
        words = graph.add(
            "Gather", graph.constant("words", bert.words), "input_ids", name="embed.word"
        )
    graph.constant("positions", bert.positions)
    graph.constant("zero", np.zeros(1, np.int64))
    graph.add("Shape", "input_ids", name="count", start=1, end=2)
    graph.add("Slice", "positions", "zero", "count", "zero", name="embed.position")
    # One gain and offset per "channel": InstanceNormalization takes the tokens for channels.
    for name, value in (("ones", 1.0), ("zeros", 0.0)):
        fill = numpy_helper.from_array(np.array([value], np.float32))
        graph.add("ConstantOfShape", "count", name=name, value=fill)
    return graph.add("Add", words, "embed.position", name="embed.sum")


def _layer(
    graph: _Graph, layer: Layer, states: str, prefix: str, heads: int, precision: Precision
) -> str:
    qkv = _project(graph, layer.qkv, states, f"{prefix}qkv", precision)
    parts = [f"{prefix}{name}" for name in ("query", "key", "value")]
    graph.nodes.append(
        helper.make_node("Split", [qkv], parts, name=f"{prefix}split", axis=2, num_outputs=3)
    )
    mixed = graph.add(
        "MultiHeadAttention", *parts, name=f"{prefix}out.input", domain=_CONTRIB, num_heads=heads
    )
    mixed = _project(graph, layer.out, mixed, f"{prefix}out", precision)
    states = _residual(graph, mixed, states, layer.skip_attention, f"{prefix}attention")
    states = _normalise(graph, states, f"{prefix}up.input")
    hidden = _project(graph, layer.up, states, f"{prefix}up", precision)
    hidden = graph.add("Gelu", hidden, name=f"{prefix}down.input", domain=_CONTRIB)
    hidden = _project(graph, layer.down, hidden, f"{prefix}down", precision)
    return _residual(graph, hidden, states, layer.skip_feed_forward, f"{prefix}feed_forward")


def _pool(graph: _Graph, bert: Bert, states: str) -> None:
    """`e = p / |p|`, p the mean of h or its first row, with `h = gain * states + offset`."""
    graph.add("Mul", states, graph.constant("gain", bert.gain), name="final.scaled")
    graph.add("Add", "final.scaled", graph.constant("offset", bert.offset), name="h")
    if bert.shape.pooling == "mean":
        graph.constant("token_axis", np.ones(1, np.int64))
        pooled = graph.add("ReduceMean", "h", "token_axis", name="mean", keepdims=0)
    else:
        pooled = graph.add("Gather", "h", "first", name="first.state", axis=1)
        graph.constant("first", np.array(0, np.int64))
    graph.add("LpNormalization", pooled, name="e", axis=1, p=2)


def _normalise(graph: _Graph, x: str, name: str) -> str:
    return graph.add("InstanceNormalization", x, "ones", "zeros", name=name, epsilon=graph.epsilon)


def _residual(graph: _Graph, branch: str, states: str, gain: Tensor, name: str) -> str:
    graph.add("Mul", states, graph.constant(f"{name}.gain", gain), name=f"{name}.skip")
    return graph.add("Add", branch, f"{name}.skip", name=f"{name}.sum")


def _project(graph: _Graph, linear: Linear, x: str, name: str, precision: Precision) -> str:
    if linear.gain is not None:
        x = graph.add("Mul", x, graph.constant(f"{name}.gain", linear.gain), name=f"{name}.scaled")
    bias = graph.constant(f"{name}.bias", linear.bias)
    if precision == "float32":
        graph.add(
            "MatMul", x, graph.constant(f"{name}.weight", linear.weight), name=f"{name}.product"
        )
        return graph.add("Add", f"{name}.product", bias, name=name)
    if precision == "exact":
        return _project_exactly(graph, linear, x, name, bias)
    weight, scale = quantise_columns(linear.weight)
    graph.constant(f"{name}.weight", weight)
    graph.constant(f"{name}.scale", scale)
    return graph.add(
        "DynamicQuantizeMatMul",
        x,
        f"{name}.weight",
        f"{name}.scale",
        "",
        bias,
        name=name,
        domain=_CONTRIB,
    )


def _project_exactly(graph: _Graph, linear: Linear, x: str, name: str, bias: str) -> str:
    weight, scale = quantise_blocks(linear.weight)
    inner, outer = linear.weight.shape
    graph.add(
        "MatMulNBits",
        x,
        graph.constant(f"{name}.weight", weight),
        graph.constant(f"{name}.scale", scale),
        name=f"{name}.product",
        domain=_CONTRIB,
        K=inner,
        N=outer,
        bits=8,
        block_size=BLOCK,
    )
    return graph.add("Add", f"{name}.product", bias, name=name)
