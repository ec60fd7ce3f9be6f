"""A real Kafka for the suite, started once; every test has its own topics on it."""

import os
import signal
import uuid
from pathlib import Path

import pytest

from infra.errors import ProgramMissing
from infra.kafka_admin import Broker
from infra.local.kafka import KafkaServer
from infra.settings import KafkaSettings
from streams.topics import declarations

pytest.register_assert_rewrite("tests.integration.harness")

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A broker of the suite's own: ``.bootstrap``, ``.start()``, ``.stop()``, ``.kill()``.

    A test that stops it starts it again; it keeps its port and its data.
    """
    jars = Path(os.environ.get("MILLRACE_JARS") or CHECKOUT / ".millrace" / "jars")
    server = KafkaServer(tmp_path_factory.mktemp("stack"), port=0, jars=jars)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped test run leaves no broker behind
    try:
        server.start()
    except ProgramMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def prefix():
    """The first part of this test's topic names and groups."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def kafka_settings(kafka, prefix):
    """The way to the suite's broker, with this test's prefix and few partitions."""
    return KafkaSettings(bootstrap=kafka.bootstrap, prefix=prefix, partitions=2)


@pytest.fixture
def topics(kafka_settings):
    """This test's topics, created: their declarations."""
    declared = declarations(kafka_settings)
    with Broker(kafka_settings) as broker:
        broker.apply_topics(declared)
    return declared
