"""The suite's own Kafka, and what tests do to its topics."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from infra.errors import ProgramMissing
from infra.kafka.admin import Broker
from infra.kafka.connection import admin_options
from infra.local.jars import java
from infra.local.kafka import KafkaServer
from infra.local.processes import exclusively
from infra.settings import KafkaSettings
from streams.topics import declarations, topic_name

CHECKOUT = Path(__file__).parents[1]

IMPATIENT = {"log.retention.check.interval.ms": 500, "log.initial.task.delay.ms": 500}
"""Retention that is seen within a second instead of five minutes."""


class SuiteKafka(KafkaServer):
    """The local stack's broker, as it is started for people, but quick to delete what is too old."""

    def _configure(self) -> Path:
        config = super()._configure()
        with config.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in IMPATIENT.items())
        return config


@contextmanager
def running_broker(folder: Path) -> Iterator[KafkaServer]:
    """Start one, and stop it at the end; skips where Java is not installed, but fails in CI."""
    jars = Path(os.environ.get("MILLRACE_JARS") or CHECKOUT / ".millrace" / "jars")
    server = SuiteKafka(folder, port=0, jars=jars)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped test run leaves no broker behind
    with pytest.MonkeyPatch.context() as patch:
        try:
            patch.setenv("JDK_JAVA_OPTIONS", f"-XX:SharedArchiveFile={kept_classes(folder, jars)} -Xlog:disable")
            server.start()
        except ProgramMissing as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        yield server
        server.stop()


def kept_classes(folder: Path, jars: Path) -> Path:
    """Kafka's classes as Java keeps them once they are loaded: every start after that takes half the CPU.

    Java itself passes over what another Java, or other jars, have kept.
    """
    kept = CHECKOUT / ".millrace" / f"kafka-{Path(java()).resolve().parent.parent.name}.jsa"
    with exclusively(kept.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        if not kept.exists():
            fresh = kept.with_suffix(".fresh")
            patch.setenv("JDK_JAVA_OPTIONS", f"-XX:ArchiveClassesAtExit={fresh} -Xlog:disable")
            server = KafkaServer(folder / "classes", port=0, jars=jars)
            server.start()
            server.stop()
            fresh.replace(kept)
    return kept


@contextmanager
def admin(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(**admin_options(settings))) as client:
        yield client


def recreate_topic(settings: KafkaSettings, topic: str) -> None:
    """Delete a topic with all its records, and make it anew under the same name."""
    with admin(settings) as client:
        client.delete_topics([topic])
    with Broker(settings) as broker:
        broker.apply_topics(declarations(settings))


def set_topic(settings: KafkaSettings, topic: str, **values: object) -> None:
    """Change settings of one topic; dots in names are written as underscores."""
    configs = {name.replace("_", "."): str(value) for name, value in values.items()}
    with admin(settings) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])


def delete_records(settings: KafkaSettings, topic: str, partition: int, before: int) -> None:
    """Delete the beginning of a log, as retention does."""
    with admin(settings) as client:
        client.delete_records({TopicPartition(topic, partition): before})


def committed(settings: KafkaSettings, agent: str) -> dict[tuple[str, int], int]:
    """What an agent's group has committed: partition -> offset."""
    with admin(settings) as client:
        group = f"{settings.prefix}.{agent}"
        found = client.list_group_offsets([group])[group]
        return {(place.topic, place.partition): told.offset for place, told in found.items()}


def log_ends(settings: KafkaSettings, logical: str) -> dict[tuple[str, int], int]:
    """Up to where a read_committed reader gets in each partition of a topic."""
    topic = topic_name(settings.prefix, logical)
    with Broker(settings) as broker:
        ranges = broker.log_ranges([(topic, partition) for partition in range(settings.partitions)])
    return {place: end for place, (_, end) in ranges.items()}


@contextmanager
def transactional(settings: KafkaSettings, name: str) -> Iterator[KafkaProducer]:
    """A producer whose sends must stand between ``begin_transaction`` and ``commit_`` or ``abort_transaction``."""
    with closing(KafkaProducer(**admin_options(settings), transactional_id=name)) as producer:
        producer.init_transactions()
        yield producer
