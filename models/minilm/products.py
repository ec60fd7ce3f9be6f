"""The two ways a fused graph multiplies with its weights: in float32, or in int8."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.minilm.nodes import Nodes
from models.minilm.weights import HEADS, Floats, Linear

Bytes = npt.NDArray[np.int8]

LARGEST = 127


class Products(Protocol):
    """How a graph multiplies token states with weights."""

    def multiply(self, nodes: Nodes, name: str, states: str, linear: Linear) -> str:
        """Add ``states @ weight``, without the bias, and return its name."""
        ...

    def attend(self, nodes: Nodes, name: str, states: str, mask: str, packed: Linear) -> str:
        """Add 12-headed attention and return the name of the heads side by side, ``(B, S, 384)``.

        Args:
            nodes: The graph that is being written.
            name: What the nodes are called after.
            states: Token states, ``(B, S, 384)``.
            mask: 1 for tokens and 0 for padding, ``(B, S)``.
            packed: Query, key and value side by side, ``(384, 1152)``.
        """
        ...


class Float32Products:
    """Weights as they are."""

    def multiply(self, nodes: Nodes, name: str, states: str, linear: Linear) -> str:
        """Add one MatMul."""
        return nodes.add("MatMul", [states, nodes.constant(f"{name}.weight", linear.weight)], name)

    def attend(self, nodes: Nodes, name: str, states: str, mask: str, packed: Linear) -> str:
        """Add one Attention."""
        weight, bias = nodes.constant(f"{name}.weight", packed.weight), nodes.constant(f"{name}.bias", packed.bias)
        return nodes.fused("Attention", [states, weight, bias, mask], name, num_heads=HEADS)


class Int8Products:
    """Weights as int8 with one scale a column; states become uint8 when they come by, with one scale a batch.

    One scale for a whole matrix would cost more than it saves: see DECISIONS.md.
    """

    def multiply(self, nodes: Nodes, name: str, states: str, linear: Linear) -> str:
        """Add one DynamicQuantizeMatMul."""
        weight, scales = quantise(linear.weight)
        constants = [nodes.constant(f"{name}.weight", weight), nodes.constant(f"{name}.scales", scales)]
        return nodes.fused("DynamicQuantizeMatMul", [states, *constants], name)

    def attend(self, nodes: Nodes, name: str, states: str, mask: str, packed: Linear) -> str:
        """Add one DynamicQuantizeLinear and one QAttention."""
        weight, scales = quantise(packed.weight)
        small = [f"{name}.states", f"{name}.states_scale", f"{name}.states_zero"]
        nodes.add("DynamicQuantizeLinear", [states], *small)
        inputs = [
            small[0],
            nodes.constant(f"{name}.weight", weight),
            nodes.constant(f"{name}.bias", packed.bias),
            small[1],
            nodes.constant(f"{name}.scales", scales),
            mask,
            small[2],
            nodes.constant(f"{name}.zeros", np.zeros(len(scales), np.int8)),
        ]
        return nodes.fused("QAttention", inputs, name, num_heads=HEADS)


def quantise(weight: Floats) -> tuple[Bytes, Floats]:
    """Round every column to 255 steps around zero.

    Args:
        weight: ``(in, out)`` float32.

    Returns:
        The steps, ``(in, out)`` int8, and what one step is worth in each column, ``(out,)`` float32.

    Example:
        >>> steps, scales = quantise(np.array([[1.0, 0.0], [-2.0, 0.0]], np.float32))
        >>> steps.tolist(), [round(float(scale), 4) for scale in scales]
        ([[64, 0], [-127, 0]], [0.0157, 1.0])
    """
    scales = np.abs(weight).max(axis=0) / np.float32(LARGEST)
    scales = np.where(scales > 0, scales, np.float32(1))
    return np.rint(weight / scales).astype(np.int8), scales
