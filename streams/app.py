"""How Faust is set up to run one agent of ``streams/graph.py``."""

from typing import Any

import faust
from mode import CrashingSupervisor

from infra.kafka.connection import ssl_context
from infra.settings import KafkaSettings


def build_app(agent: str, member: str, settings: KafkaSettings, data_folder: str) -> faust.App:
    """Set Faust up for one agent: its own app id, therefore its own consumer group. Nothing connects yet.

    Each value was measured; see DECISIONS.md.

    Args:
        agent: A name in ``streams.graph.AGENTS``.
        member: The worker's own name; one that starts again under it takes its partitions back at once.
        settings: Where the broker is.
        data_folder: Where Faust may keep its files.
    """
    return faust.App(
        f"{settings.prefix}.{agent}",
        broker=[f"kafka://{address}" for address in settings.address.split(",")],
        broker_credentials=credentials(settings),
        datadir=data_folder,
        web_enabled=False,
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        agent_supervisor=CrashingSupervisor,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=member,
        consumer_max_fetch_size=262_144,
        consumer_metadata_max_age_ms=30_000,
        broker_commit_interval=1.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_request_timeout=90.0,
        broker_rebalance_timeout=90.0,  # must exceed the worst batch
        broker_max_poll_interval=1000.0,  # below worst batch + rebalance the group dies for good
        broker_max_poll_records=4_000,
        producer_acks=-1,
        stream_buffer_maxsize=64,
    )


def credentials(settings: KafkaSettings) -> Any:
    """Say how Faust logs in, or None."""
    context = ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.reveal() if settings.sasl_password else None,
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context=context)
