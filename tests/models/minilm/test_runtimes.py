import os
import subprocess
import sys

import pytest

from models.minilm import runtimes
from models.minilm.minilm import MiniLM
from models.minilm.runtimes import RuntimeMissing

OPENVINO = """
class Core:
    def get_property(self, device, name):
        return ["FP32"]

try:
    import openvino_telemetry
except ImportError:
    openvino_telemetry = None
"""
TELEMETRY = """
from pathlib import Path
(Path.home() / "told").touch()
"""


def test_bf16_without_openvino_says_what_to_install_and_builds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissing, match=r"OpenVINO, which is not installed\. Run `uv pip install"):
        MiniLM.load(tmp_path, "bf16")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def old_cpu(tmp_path):
    """Return the environment of a process whose OpenVINO finds no bf16, and tells when it can."""
    for name, code in (("openvino", OPENVINO), ("openvino_telemetry", TELEMETRY)):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text(code)
    return os.environ | {"PYTHONPATH": f"{tmp_path / 'site'}:.", "HOME": str(tmp_path)}


def test_a_cpu_without_bf16_is_named_and_openvino_tells_nobody(old_cpu, tmp_path):
    code = "from models.minilm.runtimes import require_openvino; require_openvino()"
    done = subprocess.run([sys.executable, "-c", code], env=old_cpu, capture_output=True, text=True)
    assert "RuntimeMissing: this CPU cannot compute in bf16. Set the precision to fp32." in done.stderr
    assert not (tmp_path / "told").exists()


def test_onnxruntime_waits_without_spinning_on_one_thread(tmp_path, monkeypatch):
    seen = {}

    class Session:
        def __init__(self, path, options, providers):
            spinning = options.get_session_config_entry("session.intra_op.allow_spinning")
            seen.update(intra=options.intra_op_num_threads, inter=options.inter_op_num_threads, spinning=spinning)

    monkeypatch.setattr(runtimes.onnxruntime, "InferenceSession", Session)
    runtimes.open_onnxruntime(tmp_path / "graph.onnx")
    assert seen == {"intra": 1, "inter": 1, "spinning": "0"}
