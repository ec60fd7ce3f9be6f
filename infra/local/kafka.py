"""One Apache Kafka of our own, on this machine only."""

import base64
import contextlib
import os
import random
import socket
import string
import subprocess
import time
import uuid
from pathlib import Path

from infra.errors import LocalStackFailed, PortTaken
from infra.local.jars import fetch_jars, java
from infra.local.processes import POLL_S, Process, exclusively

HERE = Path(__file__).parent
START_S = 60.0
STOP_S = 20.0

QUICK_JAVA = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Without the second compiler format and start take 5.6 s of CPU instead of 9.5, and 202 MB instead of 227."""


class KafkaServer:
    """A broker that keeps everything in one folder.

    Args:
        home: Folder of the local stack; the broker lives in ``kafka/`` under it.
        port: Where it listens on 127.0.0.1; 0 takes a free one.
        jars: Folder of its programs; none means ``jars/`` under home.
        heap_mb: Size of its Java heap.

    Example:
        ``KafkaServer(Path(".millrace")).start()`` returns when it answers.
    """

    def __init__(self, home: Path, port: int = 29092, jars: Path | None = None, heap_mb: int = 256) -> None:
        self.home = home.absolute()
        self.port = port or free_port()
        self.jars = jars or self.home / "jars"
        self.heap_mb = heap_mb
        self.folder = self.home / "kafka"
        self.process = Process("kafka", self.home / "run" / "kafka.pid", self.home / "logs" / "kafka.log")

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        running = self.process.running()
        return running.pid if running else None

    def start(self, patience_s: float = START_S) -> bool:
        """Start it, or find it running, and wait until it answers.

        Args:
            patience_s: Seconds it may take, without the time Maven needs.

        Returns:
            Whether it was started now.

        Raises:
            ProgramMissing: If Java or Maven is not installed.
            PortTaken: If something else listens on its port.
            LocalStackFailed: If it does not answer in time, or runs on another port.
        """
        with exclusively(self.home / "run" / "kafka.lock"):
            stopped = self.process.running() is None
            if stopped:
                self._launch()
            else:
                self._check_port()
            self._await_answer(patience_s)
        return stopped

    def stop(self) -> bool:
        """Shut it down in order; tell whether it ran."""
        return self.process.stop(STOP_S)

    def kill(self) -> None:
        """End it as a power cut would, short of losing the disk's cache."""
        self.process.kill()

    def _launch(self) -> None:
        if answers(self.port):
            raise PortTaken(
                f"port {self.port} is taken by something else",
                f"Stop that, set MILLRACE_KAFKA_LOCAL_PORT to another, or use it: MILLRACE_KAFKA={self.bootstrap}.",
            )
        command = [java(), f"-Xms{self.heap_mb}m", f"-Xmx{self.heap_mb}m", *QUICK_JAVA]
        command += [f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", "-cp", f"{fetch_jars(self.jars)}/*"]
        config = self._configure()
        self._format(command, config)
        self.process.start([*command, "kafka.Kafka", str(config)], os.environ)

    def _check_port(self) -> None:
        config = (self.folder / "server.properties").read_text(encoding="utf-8")
        if f"advertised.listeners=PLAINTEXT://{self.bootstrap}\n" not in config:
            raise LocalStackFailed(
                f"Kafka already runs, but not on port {self.port}", "Stop it first with `millrace down`."
            )

    def _configure(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        template = string.Template((HERE / "server.properties").read_text(encoding="utf-8"))
        config = self.folder / "server.properties"
        filled = template.substitute(port=self.port, controller_port=free_port(), data=self.folder / "data")
        config.write_text(filled, encoding="utf-8")
        return config

    def _format(self, command: list[str], config: Path) -> None:
        if (self.folder / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One id in 64 starts with a dash: given as a word of its own it would be taken for an option.
        tool = [*command, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(config)]
        told = subprocess.run(tool, capture_output=True, text=True, check=False)
        if told.returncode != 0:
            raise LocalStackFailed(
                f"Kafka cannot prepare {self.folder / 'data'}: {(told.stderr or told.stdout).strip()[-300:]}",
                "Remove it with `millrace down --wipe` and start again.",
            )

    def _await_answer(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while not answers(self.port):
            if self.process.running() is None:
                if "Address already in use" in self._last_words():
                    raise PortTaken(
                        f"something else uses port {self.port} of 127.0.0.1",
                        "Stop it, wait a minute if it has just ended, or choose another: MILLRACE_KAFKA_LOCAL_PORT.",
                    )
                raise LocalStackFailed(
                    f"Kafka ended while starting ({self.process.ending()}): {self._last_words()}", self._where()
                )
            if time.monotonic() > deadline:
                raise LocalStackFailed(f"Kafka does not answer after {patience_s:.0f} s", self._where())
            time.sleep(POLL_S)

    def _where(self) -> str:
        return f"Its log is {self.process.log_file}."

    def _last_words(self) -> str:
        lines = self.process.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        telling = [line for line in lines[-200:] if " ERROR " in line or " FATAL " in line or "Exception" in line]
        return (telling or lines or ["no word"])[-1].strip()[:300]


def free_port() -> int:
    """Find a port of 127.0.0.1 nobody uses, below those the system lends to outgoing connections.

    Raises:
        LocalStackFailed: If there seems to be none.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise LocalStackFailed("no port is free on 127.0.0.1", "Stop what listens there.")


def answers(port: int) -> bool:
    """Tell whether anything accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
