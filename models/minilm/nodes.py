"""An ONNX graph written node by node, where every node is named for what it computes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
MICROSOFT_VERSION = 1
IR_VERSION = 9
"""Of the file format; what opset 20 needs, and older than every reader we name."""

Values = Sequence[ValueInfoProto]


class Nodes:
    """Nodes and constants of a graph that is being written, in the order in which they run.

    Example:
        >>> nodes = Nodes()
        >>> nodes.add("Add", ["x", nodes.constant("one", np.float32(1))], "y")
        'y'
        >>> x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "xy")
        >>> [node.op_type for node in nodes.model("plus_one", [x], [y], opset=17).graph.node]
        ['Add']
    """

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        """Put a tensor into the graph, once, and return its name."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, operator: str, inputs: Sequence[str], *outputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node that gives ``outputs``, and return the name of the first."""
        self._nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def fused(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Append one of onnxruntime's own operators, and return the name of its first output."""
        return self.add(operator, inputs, *outputs, domain=MICROSOFT, **attributes)

    def model(self, name: str, inputs: Values, outputs: Values, opset: int) -> ModelProto:
        """Return the whole graph as a model.

        Args:
            name: The graph's name.
            inputs: What the graph is fed.
            outputs: What it returns.
            opset: Version of the standard operators it uses.
        """
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, MICROSOFT_VERSION)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
