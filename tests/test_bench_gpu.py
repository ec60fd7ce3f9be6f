import os
import subprocess
import sys


def test_without_a_gpu_nothing_is_measured_and_one_line_says_so():
    environ = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run([sys.executable, "-m", "tests.bench.gpu"], capture_output=True, text=True, env=environ)
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("bench-gpu needs ")
