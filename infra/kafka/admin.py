"""What we ask a Kafka broker besides reading and writing records. Everything here blocks: call it from a thread."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code
from kafka.protocol.consumer import IsolationLevel

from infra.errors import BrokerUnreachable, TopicMissing
from infra.kafka.connection import admin_options, check_reachable, translated
from infra.settings import KafkaSettings

T = TypeVar("T")
Outcome = Literal["created", "unchanged", "differs"]

LEADER_S = 10.0
"""How long a new topic may take to become usable."""


@dataclass(frozen=True, slots=True)
class TopicDeclaration:
    """How a topic should be.

    Args:
        name: Its full name.
        partitions: At least 1.
        replication: Copies, at least 1.
        retention_ms: How long it keeps records; none keeps them for ever.
        max_message_bytes: The largest batch of records it takes.
    """

    name: str
    partitions: int
    replication: int
    retention_ms: int | None
    max_message_bytes: int

    @property
    def configuration(self) -> dict[str, str]:
        """The topic's settings in Kafka's words."""
        kept = "-1" if self.retention_ms is None else str(self.retention_ms)
        return {
            "cleanup.policy": "delete",
            "retention.ms": kept,
            "max.message.bytes": str(self.max_message_bytes),
            # By a producer's clock, replayed old records would be deleted by retention before they are read.
            "message.timestamp.type": "LogAppendTime",
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """What ``apply_topics`` found or did for one topic, and in words what differs."""

    name: str
    outcome: Outcome
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it stands on the broker."""

    name: str
    partitions: int
    replication: int


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """What tells this topic from another of the same name."""

    cluster_id: str
    topic_id: str
    partitions: int


class Broker:
    """A connection that asks; opened by the first question, opened again after a failure.

    Args:
        settings: Where the broker is and how to log in.

    Example:
        ``with Broker(settings) as broker: broker.log_ranges([("millrace.reviews.v1", 0)])``
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: KafkaAdminClient | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        with self._lock:
            self._drop()

    def cluster_id(self) -> str:
        """Tell which cluster this is; also the cheapest way to see whether it answers.

        Raises:
            BrokerUnreachable: If it does not.
        """
        return str(self._ask(lambda client: client.describe_cluster())["cluster_id"])

    def list_topics(self) -> list[Topic]:
        """List all topics but Kafka's own, by name.

        Raises:
            BrokerUnreachable: If nothing answers.
        """
        told = self._ask(lambda client: client.describe_topics())
        return sorted((_topic(one) for one in told if not one["is_internal"]), key=lambda topic: topic.name)

    def apply_topics(self, declarations: Sequence[TopicDeclaration]) -> list[Applied]:
        """Create the topics that are missing; those that differ are told and left alone.

        Returns:
            One outcome a declaration, same order.

        Raises:
            BrokerUnreachable: If nothing answers.
            BrokerRefused: If a topic cannot be created.
        """
        standing = {topic.name: topic for topic in self.list_topics()}
        missing = [one for one in declarations if one.name not in standing]
        if missing:
            self._create(missing)
        differences = self._differences([one for one in declarations if one.name in standing], standing)
        return [
            Applied(one.name, "created")
            if one.name not in standing
            else Applied(one.name, "differs" if differences[one.name] else "unchanged", differences[one.name])
            for one in declarations
        ]

    def identify(self, topics: Sequence[str]) -> dict[str, TopicIdentity]:
        """Tell which topics these are, by cluster and topic id.

        Raises:
            TopicMissing: If one does not exist.
            BrokerUnreachable: If nothing answers.
        """
        cluster_id = self.cluster_id()
        told = self._ask(lambda client: client.describe_topics(list(topics)))
        missing = [one["name"] for one in told if for_code(one["error_code"]) is UnknownTopicOrPartitionError]
        if missing:
            raise TopicMissing(missing)
        return {one["name"]: TopicIdentity(cluster_id, str(one["topic_id"]), len(one["partitions"])) for one in told}

    def log_ranges(
        self, places: Sequence[tuple[str, int]], *, committed: bool = True
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Tell the first offset kept and the end.

        Args:
            places: (topic, partition).
            committed: The end a read_committed reader can reach now; otherwise that of all records
                acknowledged, which an open transaction does not hold back.

        Raises:
            TopicMissing: If a topic or partition does not exist.
            BrokerUnreachable: If nothing answers.
        """
        if not places:
            return {}
        wanted = [TopicPartition(topic, partition) for topic, partition in places]
        starts = self._offsets(wanted, OffsetSpec.EARLIEST)
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        ends = self._offsets(wanted, OffsetSpec.LATEST, isolation)
        return {(one.topic, one.partition): (starts[one], ends[one]) for one in wanted}

    def configurations(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """Tell all settings of some topics, in Kafka's words.

        Args:
            topics: Full names of topics that exist.

        Raises:
            BrokerUnreachable: If nothing answers.
            BrokerRefused: If it does not tell us.
        """
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        if not resources:
            return {}
        told = self._ask(lambda client: client.describe_configs(resources, config_filter=ConfigFilterType.ALL))
        return {topic: {name: str(entry["value"]) for name, entry in told["topic"][topic].items()} for topic in topics}

    def _offsets(
        self,
        wanted: list[TopicPartition],
        which: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[TopicPartition, int]:
        specs = dict.fromkeys(wanted, which)
        try:
            told = self._ask(lambda client: client.list_partition_offsets(specs, isolation_level=isolation))
        except BrokerUnreachable as error:
            if isinstance(error.__cause__, UnknownTopicOrPartitionError):
                raise TopicMissing(sorted({one.topic for one in wanted})) from error
            raise
        return {place: found.offset for place, found in told.items()}

    def _create(self, missing: list[TopicDeclaration]) -> None:
        def create(client: KafkaAdminClient) -> None:
            for one in missing:
                options = {"num_partitions": one.partitions, "replication_factor": one.replication}
                with contextlib.suppress(TopicAlreadyExistsError):  # somebody else was first
                    client.create_topics({one.name: options | {"configs": one.configuration}})
            client.wait_for_topics([one.name for one in missing], timeout_ms=int(LEADER_S * 1_000))

        self._ask(create)

    def _differences(
        self, declarations: list[TopicDeclaration], standing: dict[str, Topic]
    ) -> dict[str, tuple[str, ...]]:
        told = self.configurations([one.name for one in declarations])
        found = {}
        for one in declarations:
            has = told[one.name] | {
                "partitions": str(standing[one.name].partitions),
                "replication": str(standing[one.name].replication),
            }
            wants = one.configuration | {"partitions": str(one.partitions), "replication": str(one.replication)}
            found[one.name] = tuple(
                f"{name} is {has.get(name)}, not {want}" for name, want in wants.items() if has.get(name) != want
            )
        return found

    def _ask(self, question: Callable[[KafkaAdminClient], T]) -> T:
        with self._lock, translated(self._settings):
            try:
                if self._client is None:
                    check_reachable(self._settings)
                    self._client = KafkaAdminClient(**admin_options(self._settings))
                return question(self._client)
            except BaseException:
                self._drop()
                raise

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _topic(told: dict[str, Any]) -> Topic:
    partitions = told["partitions"]
    return Topic(told["name"], len(partitions), max((len(one["replica_nodes"]) for one in partitions), default=0))
