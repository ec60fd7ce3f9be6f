"""One Milvus of our own, for this machine; its ports listen on all addresses whatever its settings say."""

import contextlib
import os
import platform
import random
import shutil
import socket
import string
import time
import urllib.request
from pathlib import Path

from infra.errors import LocalStackFailed, PortTaken
from infra.local.kafka import answers
from infra.local.milvus_programs import unpack_programs
from infra.local.processes import POLL_S, Process, exclusively
from infra.vectors.milvus import MilvusStore
from infra.vectors.vector_store import VectorStoreError, VectorStoreUnreachable

HERE = Path(__file__).parent
START_S = 180.0
"""After kill -9 its sessions have to end first, and what was not flushed is read again: 17 to 75 s."""

STOP_S = 6.0
"""It was never seen to end by itself in less than ten minutes; what it has acknowledged survives SIGKILL."""

FLUSH_S = 20.0

PORTS = (
    "port", "etcd_port", "etcd_peer_port", "root_coord_port", "proxy_internal_port", "query_coord_port",
    "query_node_port", "index_coord_port", "index_node_port", "data_coord_port", "data_node_port", "metrics_port",
)  # fmt: skip
"""What its consecutive ports are for, in order; clients need the first."""


class MilvusServer:
    """A Milvus that keeps everything in one folder.

    Args:
        home: Folder of the local stack; the server lives in ``milvus/`` under it.
        port: The first of twelve ports; 0 takes free ones.
        tick_ms: How often new rows become visible; less costs CPU.
        programs: Folder of its programs; none means ``milvus-programs/`` under home.

    Example:
        ``MilvusServer(Path(".millrace")).start()`` returns when it answers.
    """

    def __init__(self, home: Path, port: int = 29530, tick_ms: int = 200, programs: Path | None = None) -> None:
        self.home = home.absolute()
        self.port = port or free_ports()
        self.tick_ms = tick_ms
        self.programs = programs or self.home / "milvus-programs"
        self.folder = self.home / "milvus"
        self.process = Process("milvus", self.home / "run" / "milvus.pid", self.home / "logs" / "milvus.log")

    @property
    def uri(self) -> str:
        """Address for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        running = self.process.running()
        return running.pid if running else None

    @property
    def running(self) -> bool:
        """Whether its process is there, not whether it answers."""
        return self.pid is not None

    @property
    def well(self) -> bool:
        """Whether it says that it is well; after a restart queries take longer to work."""
        with contextlib.suppress(OSError):  # nobody listens there yet, or it says 500
            url = f"http://127.0.0.1:{port_after(self.port)}/healthz"
            with urllib.request.urlopen(url, timeout=2.0) as told:
                return b"OK" in told.read()
        return False

    def start(self, patience_s: float = START_S) -> bool:
        """Start it, or find it running, and wait until every collection answers a query.

        Args:
            patience_s: Seconds it may take, without the time to unpack its programs.

        Returns:
            Whether it was started now.

        Raises:
            ProgramMissing: If there is no server for this machine.
            PortTaken: If something else listens on one of its ports.
            LocalStackFailed: If it does not answer in time, or runs on another port.
        """
        launched = self.launch()
        self._await_answer(patience_s)
        return launched

    def launch(self) -> bool:
        """Start it, or find it running, without waiting for it; see ``start``."""
        with exclusively(self.home / "run" / "milvus.lock"):
            if self.running:
                self._check_port()
                return False
            self._launch()
            return True

    def stop(self) -> bool:
        """Seal what was written, so that the next start is quick, and shut it down; tell whether it ran."""
        if self.running:
            with contextlib.suppress(VectorStoreError):  # it is optional, and nothing is lost without it
                self._flush()
        pid = self.pid
        stopped = self.process.stop(STOP_S)
        _forget_sessions(pid)
        return stopped

    def kill(self) -> None:
        """End it as a power cut would, short of losing the disk's cache."""
        pid = self.pid
        self.process.kill()
        _forget_sessions(pid)

    def _launch(self) -> None:
        for port in range(self.port, self.port + len(PORTS)):
            if answers(port):
                raise PortTaken(
                    f"port {port} is taken by something else, and Milvus needs {self.port} to {port_after(self.port)}",
                    "Stop that, set MILLRACE_MILVUS_LOCAL_PORT to another, or name a Milvus in MILLRACE_MILVUS.",
                )
        programs = unpack_programs(self.programs)
        configs = self._configure(programs)
        library = "DYLD_LIBRARY_PATH" if platform.system() == "Darwin" else "LD_LIBRARY_PATH"
        environ = {  # nothing else: it takes LOG_LEVEL and the like from the environment for settings of its own
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(port_after(self.port)),
            "MILVUSCONF": str(configs),
            library: str(programs),
        }
        command = ["sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), str(programs / "milvus"), "run", "standalone"]
        self.process.start(command, environ)

    def _check_port(self) -> None:
        config = (self.folder / "configs" / "milvus.yaml").read_text(encoding="utf-8")
        if f"  port: {self.port}\n" not in config:
            raise LocalStackFailed(
                f"Milvus already runs, but not on port {self.port}", "Stop it first with `millrace down`."
            )

    def _configure(self, programs: Path) -> Path:
        configs = self.folder / "configs"
        configs.mkdir(parents=True, exist_ok=True)
        values = {name: self.port + number for number, name in enumerate(PORTS)}
        for name in ("milvus.yaml", "etcd.yaml"):
            template = string.Template((HERE / name).read_text(encoding="utf-8"))
            filled = template.substitute(values, folder=self.folder, tick_ms=self.tick_ms)
            (configs / name).write_text(filled, encoding="utf-8")
        shutil.copy(programs / "glog.conf", configs)
        return configs

    def _await_answer(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        why = "it does not say that it is well"
        store = MilvusStore(self.uri)
        try:
            while True:
                with contextlib.suppress(VectorStoreUnreachable):
                    if self.well:
                        why = "not all collections answer queries"
                        store.check()
                        return
                if not self.running:
                    self._tell_end()
                if time.monotonic() > deadline:
                    raise LocalStackFailed(f"Milvus does not answer after {patience_s:.0f} s: {why}", self._where())
                time.sleep(POLL_S * 4)
        finally:
            store.close()

    def _tell_end(self) -> None:
        words = self._last_words()
        if "address already in use" in words:
            raise PortTaken(
                f"something else uses one of the ports {self.port} to {port_after(self.port)}",
                "Stop it, or choose others: MILLRACE_MILVUS_LOCAL_PORT.",
            )
        raise LocalStackFailed(f"Milvus ended while starting ({self.process.ending()}): {words}", self._where())

    def _flush(self) -> None:
        store = MilvusStore(self.uri)
        deadline = time.monotonic() + FLUSH_S
        try:
            for name in store.collections():
                if time.monotonic() < deadline:
                    store.flush(name)
        finally:
            store.close()

    def _where(self) -> str:
        return f"Its log is {self.process.log_file}."

    def _last_words(self) -> str:
        lines = self.process.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        telling = [line for line in lines[-200:] if "panic" in line or "[FATAL]" in line or "already in use" in line]
        return (telling or lines or ["no word"])[-1].strip()[:300]


def port_after(port: int) -> int:
    """Return the last of its ports."""
    return port + len(PORTS) - 1


def free_ports() -> int:
    """Find twelve ports in a row nobody uses, below those the system lends to outgoing connections.

    Raises:
        LocalStackFailed: If there seem to be none.
    """
    for first in random.sample(range(20_000, 31_900), 100):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + len(PORTS)):
                held.enter_context(socket.socket()).bind(("", port))
            return first
    raise LocalStackFailed("no twelve ports in a row are free", "Stop what listens there.")


def _forget_sessions(pid: int | None) -> None:
    """Remove the small file it leaves outside its folder."""
    if pid is not None:
        with contextlib.suppress(OSError):
            Path(f"/tmp/milvus/server_id_{pid}").unlink(missing_ok=True)  # noqa: S108  # its own place, not settable
