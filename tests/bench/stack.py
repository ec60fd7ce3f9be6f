"""A whole stack of its own for a benchmark: broker, topics, workers, and what they say."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from infra.heartbeats import read_heartbeats
from infra.kafka.admin import Broker
from infra.local.kafka import KafkaServer
from infra.local.milvus import MilvusServer
from infra.settings import Settings
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from schemas.heartbeats import Heartbeat
from streams.places import store_place
from streams.topics import declarations
from streams.vector_place import open_vectors

CHECKOUT = Path(__file__).parents[2]
AGENTS = ("digest", "summarize")


class Stack:
    """Runs for the length of a ``with`` block, in a folder that goes with it.

    Args:
        vectors: Whether there is a Milvus, too.
        environ: Settings over the defaults.
    """

    def __init__(self, *, vectors: bool = False, **environ: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
        jars = Settings.from_env(os.environ).kafka.local_jars or CHECKOUT / ".millrace" / "jars"
        self.kafka = KafkaServer(self.home, port=0, jars=jars)
        programs = CHECKOUT / ".millrace" / "milvus-programs"
        self.milvus = MilvusServer(self.home, port=0, programs=programs) if vectors else None
        own = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        self.environ = {
            **own,
            "MILLRACE_HOME": str(self.home),
            "MILLRACE_KAFKA": self.kafka.bootstrap,
            "MILLRACE_LOG_LEVEL": "warning",
            "MILLRACE_METRICS_PORT": "0",
            **({} if self.milvus is None else {"MILLRACE_MILVUS": self.milvus.uri}),
            "PYTHONPATH": str(CHECKOUT),
            **environ,
        }
        self.settings = Settings.from_env(self.environ)
        self._workers: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Stack":
        self.kafka.start()
        if self.milvus is not None:
            self.milvus.start()
        with Broker(self.settings.kafka) as broker:
            broker.apply_topics(declarations(self.settings.kafka))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_workers()
        self.kafka.stop()
        if self.milvus is not None:
            self.milvus.stop()
        shutil.rmtree(self.home)

    def start_workers(self, agents: Sequence[str] = AGENTS) -> None:
        """Start them and wait until each reads its topics."""
        command = [sys.executable, "-m", "streams", "worker", *agents]
        self._workers = subprocess.Popen(command, env=self.environ, cwd=CHECKOUT)
        deadline = time.monotonic() + 60
        while {beat.agent for beat in self.beats() if beat.state == "running"} < set(agents):
            if time.monotonic() > deadline:
                raise TimeoutError("the workers do not start; see what they printed")
            time.sleep(0.05)

    def stop_workers(self) -> None:
        """Stop them, if they run."""
        if self._workers is not None:
            self._workers.terminate()
            self._workers.wait(60)
            self._workers = None

    def beats(self) -> list[Heartbeat]:
        """What the workers say of themselves."""
        return read_heartbeats(self.home)

    def counters(self, agent: str) -> dict[str, float]:
        """One agent's counters, added up over its workers."""
        told = [msgspec.to_builtins(beat.counters) for beat in self.beats() if beat.agent == agent]
        return {name: sum(one[name] for one in told) for name in told[0]}

    def wait(self, agent: str | None = None, timeout_s: int = 900) -> None:
        """Wait until everything produced stands, of all agents or of one, as a user would."""
        command = [sys.executable, "-m", "streams", "wait", "--timeout", str(timeout_s)]
        command += [] if agent is None else ["--for", agent]
        subprocess.run(command, env=self.environ, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)

    def store(self, agent: str) -> AgentStore:
        """One agent's store, for a look or a change from outside."""
        return AgentStore(store_place(self.settings, agent), "rw")

    def vector_store(self) -> closing[VectorStore]:
        """Open the way to the stack's Milvus, for the length of a ``with`` block."""
        return closing(open_vectors(self.settings))

    def resident_mb(self) -> float:
        """Resident memory of the servers, the supervisor and the workers, MB."""
        servers = [self.kafka.pid, self.milvus.pid if self.milvus else None]
        pids = [*servers, self._workers.pid if self._workers else None, *(beat.pid for beat in self.beats())]
        return sum(_resident_kb(pid) for pid in pids if pid) / 1024


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
