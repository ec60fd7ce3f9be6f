"""The same MiniLM in standard ONNX operators only, for runtimes that know no others (OpenVINO)."""

import math

import numpy as np
from onnx import ModelProto, TensorProto

from models.minilm.graph import IDS, MASK, inputs, outputs, pool
from models.minilm.nodes import Nodes
from models.minilm.weights import DIMENSIONS, EPSILON, HEADS, Layer, Linear, Norm, Weights

OPSET = 20
"""The first with Gelu."""
HIDDEN_SCORE = -1e4
"""Added to the attention score of padding; its weight is then exactly 0 in every precision."""


def build_standard(weights: Weights) -> ModelProto:
    """Write the graph with standard operators; same inputs and outputs as the fused one."""
    nodes = Nodes()
    words = nodes.add("Gather", [nodes.constant("words", weights.words), IDS], "word_rows")
    summed = nodes.add("Add", [words, _position_rows(nodes, weights)], "word_and_position")
    states = _normalise(nodes, "embedded", summed, weights.norm)
    scores = _hidden_scores(nodes)
    for index, layer in enumerate(weights.layers):
        states = _layer(nodes, f"layer{index}", states, scores, layer)
    pool(nodes, states)
    return nodes.model("minilm", inputs(), outputs(), OPSET)


def _position_rows(nodes: Nodes, weights: Weights) -> str:
    width = nodes.add("Shape", [IDS], "width", start=1, end=2)
    zero = nodes.constant("zero", np.array([0], np.int64))
    return nodes.add("Slice", [nodes.constant("positions", weights.positions), zero, width, zero], "position_rows")


def _hidden_scores(nodes: Nodes) -> str:
    """Return what is added to the attention scores, ``(B, 1, 1, S)``: 0 for tokens, much less for padding."""
    mask = nodes.add("Cast", [MASK], "mask_scores", to=TensorProto.FLOAT)
    mask = nodes.add("Unsqueeze", [mask, nodes.constant("head_axes", np.array([1, 2], np.int64))], "mask_heads")
    padding = nodes.add("Sub", [nodes.constant("one", np.float32(1)), mask], "padding")
    return nodes.add("Mul", [padding, nodes.constant("hidden", np.float32(HIDDEN_SCORE))], "hidden_scores")


def _layer(nodes: Nodes, name: str, states: str, hidden_scores: str, layer: Layer) -> str:
    heads = _attend(nodes, name, states, hidden_scores, layer)
    attended = _multiply(nodes, f"{name}.attended", heads, layer.attended)
    added = nodes.add("Add", [attended, states], f"{name}.attended.added")
    states = _normalise(nodes, f"{name}.attended", added, layer.attended_norm)
    wide = nodes.add("Gelu", [_multiply(nodes, f"{name}.widen", states, layer.widen)], f"{name}.gelu")
    added = nodes.add("Add", [_multiply(nodes, f"{name}.narrow", wide, layer.narrow), states], f"{name}.narrow.added")
    return _normalise(nodes, f"{name}.narrow", added, layer.norm)


def _attend(nodes: Nodes, name: str, states: str, hidden_scores: str, layer: Layer) -> str:
    """Add softmax(q k / sqrt(32) + hidden) v for 12 heads; return the heads side by side, ``(B, S, 384)``."""
    query = _split(nodes, f"{name}.query", states, layer.query, [0, 2, 1, 3])
    key = _split(nodes, f"{name}.key", states, layer.key, [0, 2, 3, 1])
    value = _split(nodes, f"{name}.value", states, layer.value, [0, 2, 1, 3])
    scale = nodes.constant("head_scale", np.float32(1 / math.sqrt(DIMENSIONS // HEADS)))
    scores = nodes.add("Mul", [nodes.add("MatMul", [query, key], f"{name}.dots"), scale], f"{name}.scaled")
    scores = nodes.add("Add", [scores, hidden_scores], f"{name}.scores")
    shares = nodes.add("Softmax", [scores], f"{name}.shares", axis=-1)
    heads = nodes.add("MatMul", [shares, value], f"{name}.heads")
    heads = nodes.add("Transpose", [heads], f"{name}.heads.back", perm=[0, 2, 1, 3])
    whole = nodes.constant("whole_shape", np.array([0, 0, DIMENSIONS], np.int64))
    return nodes.add("Reshape", [heads, whole], f"{name}.heads.whole")


def _split(nodes: Nodes, name: str, states: str, linear: Linear, order: list[int]) -> str:
    shape = nodes.constant("head_shape", np.array([0, 0, HEADS, DIMENSIONS // HEADS], np.int64))
    heads = nodes.add("Reshape", [_multiply(nodes, name, states, linear), shape], f"{name}.heads")
    return nodes.add("Transpose", [heads], f"{name}.turned", perm=order)


def _multiply(nodes: Nodes, name: str, states: str, linear: Linear) -> str:
    weight, bias = nodes.constant(f"{name}.weight", linear.weight), nodes.constant(f"{name}.bias", linear.bias)
    return nodes.add("Add", [nodes.add("MatMul", [states, weight], f"{name}.product"), bias], f"{name}.output")


def _normalise(nodes: Nodes, name: str, states: str, norm: Norm) -> str:
    scale, shift = nodes.constant(f"{name}.scale", norm.scale), nodes.constant(f"{name}.shift", norm.shift)
    return nodes.add("LayerNormalization", [states, scale, shift], f"{name}.norm", axis=-1, epsilon=EPSILON)
