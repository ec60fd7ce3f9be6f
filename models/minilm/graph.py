"""MiniLM as an ONNX graph of onnxruntime's fused operators.

``ids, mask (B, S) int32 -> sums (B, 384) float32``: sums of token states, to be scaled to length 1. Operators:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from models.minilm.nodes import Nodes
from models.minilm.products import Products
from models.minilm.weights import DIMENSIONS, EPSILON, Layer, Linear, Norm, Weights

OPSET = 17
IDS, MASK, SUMS = "ids", "mask", "sums"


def build_fused(weights: Weights, products: Products) -> ModelProto:
    """Write the graph with com.microsoft operators, for onnxruntime.

    Args:
        weights: What to compute with.
        products: In what precision to multiply with them.
    """
    nodes = Nodes()
    words, positions = nodes.constant("words", weights.words), nodes.constant("positions", weights.positions)
    tables = [IDS, "", words, positions, "", *_norm(nodes, "embedded", weights.norm)]
    states = nodes.fused("EmbedLayerNormalization", tables, "embedded", "token_counts", epsilon=EPSILON)
    for index, layer in enumerate(weights.layers):
        states = _layer(nodes, products, f"layer{index}", states, layer)
    pool(nodes, states)
    return nodes.model("minilm", inputs(), outputs(), OPSET)


def inputs() -> list[ValueInfoProto]:
    """Return what every MiniLM graph is fed: token ids, and a mask of 1 for tokens and 0 for padding."""
    return [helper.make_tensor_value_info(name, TensorProto.INT32, ["B", "S"]) for name in (IDS, MASK)]


def outputs() -> list[ValueInfoProto]:
    """Return what every MiniLM graph gives back."""
    return [helper.make_tensor_value_info(SUMS, TensorProto.FLOAT, ["B", DIMENSIONS])]


def pool(nodes: Nodes, states: str) -> None:
    """Add the end: the sum of the token states that are no padding; at length 1 it is their mean at length 1."""
    axis = nodes.constant("token_axis", np.array([1], np.int64))
    mask = nodes.add("Cast", [MASK], "mask_float", to=TensorProto.FLOAT)
    rows = nodes.add("Unsqueeze", [mask, axis], "mask_rows")  # (B, 1, S): the sum is one multiplication
    nodes.add("Squeeze", [nodes.add("MatMul", [rows, states], "sum_rows"), axis], SUMS)


def _layer(nodes: Nodes, products: Products, name: str, states: str, layer: Layer) -> str:
    heads = products.attend(nodes, f"{name}.heads", states, MASK, _packed(layer))
    attended = products.multiply(nodes, f"{name}.attended", heads, layer.attended)
    states = _add_and_norm(nodes, f"{name}.attended", [attended, states], layer.attended, layer.attended_norm)
    wide = products.multiply(nodes, f"{name}.widen", states, layer.widen)
    bias = nodes.constant(f"{name}.widen.bias", layer.widen.bias)
    wide = nodes.fused("BiasGelu", [wide, bias], f"{name}.gelu")  # exact; FastGelu is not
    narrow = products.multiply(nodes, f"{name}.narrow", wide, layer.narrow)
    return _add_and_norm(nodes, f"{name}.narrow", [narrow, states], layer.narrow, layer.norm)


def _packed(layer: Layer) -> Linear:
    parts = (layer.query, layer.key, layer.value)
    return Linear(np.concatenate([part.weight for part in parts], 1), np.concatenate([part.bias for part in parts]))


def _add_and_norm(nodes: Nodes, name: str, states: list[str], linear: Linear, norm: Norm) -> str:
    bias = nodes.constant(f"{name}.bias", linear.bias)
    operands = [*states, *_norm(nodes, name, norm), bias]
    return nodes.fused("SkipLayerNormalization", operands, f"{name}.norm", epsilon=EPSILON)


def _norm(nodes: Nodes, name: str, norm: Norm) -> list[str]:
    return [nodes.constant(f"{name}.scale", norm.scale), nodes.constant(f"{name}.shift", norm.shift)]
