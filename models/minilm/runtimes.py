"""What runs a MiniLM graph: onnxruntime, or OpenVINO where it is installed."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import onnxruntime

from models.minilm.files import ModelUnusable
from models.minilm.graph import IDS, MASK, SUMS
from models.minilm.tokens import Ids
from models.minilm.weights import Floats

Run = Callable[[Ids, Ids], Floats]
"""``ids, mask (B, S)`` int32 to ``sums (B, 384)`` float32; may be called by several threads at once."""


class RuntimeMissing(ModelUnusable):
    """What computes in the wished precision is not here."""


def open_onnxruntime(path: Path) -> Run:
    """Load a graph into onnxruntime, one thread a call; calls hold no GIL while they compute."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(ids: Ids, mask: Ids) -> Floats:
        sums: Floats = session.run([SUMS], {IDS: ids, MASK: mask})[0]
        return sums

    return run


def require_openvino() -> None:
    """Find out whether bfloat16 can be had here, before anything is built.

    Raises:
        RuntimeMissing: If OpenVINO is not installed, or the CPU cannot compute in bfloat16.
    """
    if find_spec("openvino") is None:
        raise RuntimeMissing(
            "bf16 document vectors need OpenVINO, which is not installed",
            "Run `uv pip install --require-hashes -r requirements/openvino.txt`, or set the precision to fp32.",
        )
    if "BF16" not in _import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise RuntimeMissing("this CPU cannot compute in bf16", "Set the precision to fp32.")


def open_openvino(path: Path) -> Run:
    """Load a graph of standard operators into OpenVINO, in bfloat16, one thread a call."""
    core = _import_openvino().Core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    model = core.compile_model(path, "CPU", settings)

    def run(ids: Ids, mask: Ids) -> Floats:
        request = model.create_infer_request()  # one a call: a shared one serves one thread at a time
        sums: Floats = request.infer({IDS: ids, MASK: mask})[SUMS]
        return sums.copy()

    return run


def _import_openvino() -> Any:  # the extra is not there where types are checked
    # Its import would write to the home directory and tell its maker about the run; None makes that import fail.
    cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
    return import_module("openvino")
