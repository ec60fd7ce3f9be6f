"""The command line as a person uses it, and what is on the broker afterwards."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from kafka import KafkaConsumer, TopicPartition

from infra.kafka.admin import Broker
from infra.kafka.connection import admin_options
from infra.kafka.reading import topic_ranges
from streams.topics import topic_name


class CommandLine:
    """Runs ``millrace`` with a home of its own against a test's topics."""

    def __init__(self, kafka_settings, home):
        ours = {
            "MILLRACE_KAFKA": kafka_settings.bootstrap,
            "MILLRACE_KAFKA_PREFIX": kafka_settings.prefix,
            "MILLRACE_HOME": str(home),
            "PYTHONPATH": str(Path.cwd()),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        self.environ = kept | ours
        self.home = home

    def __call__(self, *arguments, stdin=None, **more):
        """Run one command to its end."""
        command = self._command(arguments)
        environ = self.environ | more
        return subprocess.run(command, env=environ, input=stdin, capture_output=True, text=True, timeout=120)

    def start(self, *arguments):
        """Start one command, with pipes to it and from it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self._command(arguments), env=self.environ, text=True, **pipes)

    def _command(self, arguments):
        return [sys.executable, "-m", "streams", *map(str, arguments)]


def records(settings, logical="reviews"):
    """Read everything of one topic: (partition, offset) to record."""
    name = topic_name(settings.prefix, logical)
    with Broker(settings) as broker:
        ranges = topic_ranges(broker, [name])
    consumer = KafkaConsumer(**admin_options(settings), group_id=None, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(*place) for place in ranges])
    found = {}
    deadline = time.monotonic() + 30
    while len(found) < sum(end for _, end in ranges.values()) and time.monotonic() < deadline:
        for batch in consumer.poll(timeout_ms=200).values():
            found |= {(record.partition, record.offset): record for record in batch}
    consumer.close()
    return found


def write(path, rows):
    """Write rows as jsonl."""
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path
