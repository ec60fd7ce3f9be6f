"""A whole stack for a while: its own home, its own topics, gone afterwards."""

import contextlib
import dataclasses
import fcntl
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from kafka import KafkaAdminClient

from infra.errors import LocalStackFailed
from infra.kafka.admin import Broker
from infra.kafka.connection import admin_options, translated
from infra.local.kafka import KafkaServer, free_port
from infra.local.processes import Process
from infra.settings import Settings, SqlSettings
from streams.cli.interrupts import undisturbed
from streams.cli.stack import kafka_server, workers
from streams.topics import declarations

STOP_WORKERS_S = 20.0

DEMO_AGENTS = ("digest", "summarize")
"""What a demo shows; the others want documents and a Milvus."""

LIVELY = {"MILLRACE_DIGEST_UNREAD_S": "2", "MILLRACE_WRITER_DEBOUNCE_S": "1", "MILLRACE_WRITER_DEADLINE_S": "4"}
"""A demo is shorter than the patience that saves work in earnest."""


@dataclass(frozen=True, slots=True)
class DemoStack:
    """What runs for a demo.

    Args:
        settings: Of the demo: own home, own prefix.
        environ: The same for child processes.
        kafka: The broker, if it is our own.
    """

    settings: Settings
    environ: Mapping[str, str]
    kafka: KafkaServer | None

    @property
    def workers(self) -> Process:
        """The supervisor and its workers."""
        return workers(self.settings)

    def last_error(self) -> str:
        """Return the last thing the workers' log calls an error."""
        lines = self.workers.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line for line in reversed(lines) if "error" in line.lower()), "no error logged")

    def start_broker(self) -> None:
        """Start the broker if it is our own, and make the topics.

        Raises:
            InfraError: If that fails.
        """
        if self.kafka is not None:
            self.kafka.start()
        with Broker(self.settings.kafka) as broker:
            broker.apply_topics(declarations(self.settings.kafka))

    def start_workers(self) -> None:
        """Start the demo's agents under a supervisor; they need some seconds before they read.

        Raises:
            LocalStackFailed: If they end at once.
        """
        self.workers.start([sys.executable, "-m", "streams", "worker", *DEMO_AGENTS], self.environ)

    def stop(self) -> None:
        """Stop everything, whatever state it is in, and take our topics from a broker that goes on."""
        self.workers.stop(STOP_WORKERS_S)
        if self.kafka is not None:
            self.kafka.stop()
            return
        self._delete_topics()

    def _delete_topics(self) -> None:
        ours = {one.name for one in declarations(self.settings.kafka)}
        with Broker(self.settings.kafka) as broker:
            standing = [topic.name for topic in broker.list_topics() if topic.name in ours]
        with translated(self.settings.kafka):
            client = KafkaAdminClient(**admin_options(self.settings.kafka))
            try:
                client.delete_topics(standing)
            finally:
                client.close()


def prepare(settings: Settings, environ: Mapping[str, str]) -> DemoStack:
    """Derive the demo's stack from the settings everything else uses.

    Args:
        settings: Where the home is, whether there is a broker already.
        environ: Environment of this process.
    """
    home = settings.home.absolute() / "demo"
    jars = settings.kafka.local_jars or settings.home.absolute() / "jars"
    port = free_port()
    prefix = f"{settings.kafka.prefix}-demo-{secrets.token_hex(3)}"
    kafka = dataclasses.replace(settings.kafka, prefix=prefix, local_port=port, local_jars=jars, partitions=4)
    given = {
        "MILLRACE_HOME": str(home),
        "MILLRACE_JARS": str(jars),
        "MILLRACE_KAFKA_PREFIX": kafka.prefix,
        "MILLRACE_KAFKA_LOCAL_PORT": str(port),
        "MILLRACE_KAFKA_PARTITIONS": str(kafka.partitions),
        "MILLRACE_METRICS_PORT": "0",
    }
    given["MILLRACE_SQL"] = ""  # results of a demo live and go with its home
    own = dataclasses.replace(settings, home=home, kafka=kafka, sql=SqlSettings())
    return DemoStack(own, {**environ, **LIVELY, **given}, kafka_server(own) if kafka.local else None)


@contextlib.contextmanager
def demo_stack(settings: Settings, environ: Mapping[str, str]) -> Iterator[DemoStack]:
    """Prepare a fresh demo, and take everything down again; after a failure its folder stays for its logs.

    Raises:
        LocalStackFailed: If another demo runs, or something cannot be stopped.
    """
    stack = prepare(settings, environ)
    with _alone(settings.home):
        stack.workers.stop(STOP_WORKERS_S)  # left behind by a demo that was killed
        if stack.kafka is not None:
            stack.kafka.stop()
        shutil.rmtree(stack.settings.home, ignore_errors=True)
        failed = True
        try:
            yield stack
            failed = False
        except KeyboardInterrupt:
            failed = False
            raise
        finally:
            with undisturbed():
                click.echo("Taking everything down ...", err=True)
                stack.stop()
                if not failed:
                    shutil.rmtree(stack.settings.home)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalStackFailed("another demo runs", f"Wait for it, or stop it ({home / 'demo'}).") from error
        yield
