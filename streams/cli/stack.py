"""The local stack as one thing: Kafka, topics, Milvus, workers."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from infra.heartbeats import read_supervision
from infra.kafka.admin import Broker
from infra.local.kafka import KafkaServer
from infra.local.milvus import MilvusServer
from infra.local.processes import Process
from infra.settings import Settings
from infra.settings_prints import differing
from infra.vectors.milvus_errors import without_password
from streams.topics import declarations

PARTS = ("kafka", "milvus", "workers")
STOP_WORKERS_S = 70.0
"""Longer than the supervisor gives its workers."""

SUPERVISOR_S = 10.0
"""How long a new supervisor may take to say where its metrics are."""

LOOK_S = 0.1

WIPED = ("kafka", "milvus", "state", "faust", "run", "logs", "produce")
"""Folders under home that ``down --wipe`` removes; programs are kept."""

Tell = Callable[[str, str], None]
"""Called with a part and what became of it."""


def kafka_server(settings: Settings) -> KafkaServer:
    """Say how our own broker runs."""
    kafka = settings.kafka
    return KafkaServer(settings.home, kafka.local_port, kafka.local_jars, kafka.local_heap_mb)


def milvus_server(settings: Settings) -> MilvusServer:
    """Say how our own Milvus runs."""
    return MilvusServer(settings.home, settings.milvus.local_port, settings.milvus.tick_ms)


def workers(settings: Settings) -> Process:
    """Say where the supervisor of all workers is remembered."""
    home = settings.home.absolute()
    return Process("workers", home / "run" / "workers.pid", home / "logs" / "workers.log")


def bring_up(settings: Settings, parts: Collection[str], tell: Tell) -> None:
    """Start what does not run yet.

    Args:
        settings: All settings.
        parts: Which of ``PARTS``.
        tell: Told one thing a part.

    Raises:
        InfraError: If a part does not start.
    """
    began = time.monotonic()
    # Milvus needs some seconds, and Kafka can use them too.
    launched = "milvus" in parts and settings.milvus.local and milvus_server(settings).launch()
    if "kafka" in parts:
        tell("kafka", _start_kafka(settings))
        with Broker(settings.kafka) as broker:
            outcomes = [one.outcome for one in broker.apply_topics(declarations(settings.kafka))]
        counts = {word: outcomes.count(word) for word in ("created", "unchanged", "differs") if word in outcomes}
        tell("topics", ", ".join(f"{count} {word}" for word, count in counts.items()))
    if "milvus" in parts:
        tell("milvus", _await_milvus(settings, launched, began))
    if "workers" in parts:
        tell("workers", _start_workers(settings))
        if settings.metrics.port:
            tell("metrics", _metrics(settings))


def take_down(settings: Settings, tell: Tell) -> None:
    """Stop the workers, then our own Milvus and our own broker.

    Raises:
        InfraError: If a part does not stop.
    """
    tell("workers", "stopped" if workers(settings).stop(STOP_WORKERS_S) else "not running")
    if settings.milvus.uri is None:
        tell("milvus", "stopped" if milvus_server(settings).stop() else "not running")
    else:
        tell("milvus", f"left alone: {without_password(settings.milvus.uri.reveal())} is not ours")
    if settings.kafka.local:
        tell("kafka", "stopped" if kafka_server(settings).stop() else "not running")
    else:
        tell("kafka", f"left alone: {settings.kafka.address} is not ours")


def wipe(home: Path) -> list[str]:
    """Remove what the stack has kept; it must be down.

    Returns:
        The folders that were removed.
    """
    there = [name for name in WIPED if (home / name).is_dir()]
    for name in there:
        shutil.rmtree(home / name)
    return there


def _start_kafka(settings: Settings) -> str:
    if not settings.kafka.local:
        return f"using {settings.kafka.address}"
    server = kafka_server(settings)
    began = time.monotonic()
    started = server.start()
    return (
        f"started on {server.bootstrap} in {time.monotonic() - began:.1f} s"
        if started
        else f"runs on {server.bootstrap}"
    )


def _await_milvus(settings: Settings, launched: bool, began: float) -> str:
    if settings.milvus.uri is not None:
        return f"using {without_password(settings.milvus.uri.reveal())}"
    server = milvus_server(settings)
    server.start()
    return f"started on {server.uri} in {time.monotonic() - began:.1f} s" if launched else f"runs on {server.uri}"


def _start_workers(settings: Settings) -> str:
    process = workers(settings)
    running = process.running()
    if running is not None:
        return f"run already (process {running.pid}){_otherwise(settings, running.pid)}"
    process.start([sys.executable, "-m", "streams", "worker"], os.environ)
    return f"started; their log is {os.path.relpath(process.log_file)}"


def _metrics(settings: Settings) -> str:
    """Ask the running supervisor where its metrics are: the port may have been taken."""
    deadline = time.monotonic() + SUPERVISOR_S
    while time.monotonic() < deadline:
        running, told = workers(settings).running(), read_supervision(settings.home)
        if running is None:
            return "none: the workers' supervisor ended at once"
        if told is not None and told.pid == running.pid:
            return told.metrics or told.metrics_error or "none: the workers were started with MILLRACE_METRICS_PORT=0"
        time.sleep(LOOK_S)
    return "not known yet: see millrace status"


def _otherwise(settings: Settings, pid: int) -> str:
    """Say in which settings the workers that run differ from ours: they go on with theirs."""
    told = read_supervision(settings.home)
    if told is None or told.pid != pid or told.settings is None:  # just started, or of an older version
        return ""
    others = differing(told.settings, settings)
    if not others:
        return ""
    return f" with other settings ({', '.join(others)}): run `millrace down`, then `millrace up`"
