"""Workers, records and the truth, for tests on a real broker."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import msgspec
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.heartbeats import heartbeat_path
from infra.settings import Settings
from infra.store_errors import StoreMissing
from infra.stores import AgentStore
from models.sentence_table import SentenceTable
from processors.digest.product import Product
from processors.language.claims import split_claims
from processors.simulator.simulator import Simulator
from schemas.points import Points
from schemas.summaries import Summary
from streams.places import store_place
from streams.summarize import reading_of
from streams.topics import topic_name
from tests.integration.forks import Forked, forks_of

CHECKOUT = Path(__file__).parents[2]


class Workers:
    """Worker processes on one home, one broker, one prefix."""

    def __init__(self, home, kafka_settings, **environ):
        self.home = home
        self.settings = kafka_settings
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")},
            "MILLRACE_HOME": str(home),
            "MILLRACE_KAFKA": kafka_settings.bootstrap,
            "MILLRACE_KAFKA_PREFIX": kafka_settings.prefix,
            "MILLRACE_DIGEST_QUIET_S": "0.3",
            "MILLRACE_DIGEST_UNREAD_S": "1.0",
            "MILLRACE_DIGEST_RUN_SIZE": "50",
            "MILLRACE_WRITER_DEBOUNCE_S": "0.1",
            "PYTHONPATH": str(CHECKOUT),
            **environ,
        }
        self.processes: dict[tuple[str, int], Forked | subprocess.Popen] = {}
        self.log = home / "workers.log"

    def start(self, agent, slot=0, **environ):
        process = forks_of(agent).start(slot, {**self.environ, **environ}, self.log)
        self.processes[agent, slot] = process
        return process

    def launch(self, agent, slot=0):
        """Start one as the supervisor does: with the memory of its own modules alone, and the time they take."""
        command = [sys.executable, str(Path(__file__).with_name("worker_process.py")), agent, str(slot)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, env=self.environ, cwd=CHECKOUT, stdout=log, stderr=log)
        self.processes[agent, slot] = process

    def keep_up(self):
        """Start again whoever has ended: the supervisor's part, without its waits."""
        for (agent, slot), process in list(self.processes.items()):
            if process.poll() is not None:
                self.start(agent, slot)

    def stop(self):
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def query(self, agent, statement):
        """Rows of an agent's store, whichever database it is on.

        Raises:
            StoreMissing: If the agent has not made it yet.
        """
        with AgentStore(self.place(agent)).transaction() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

    def change(self, agent, *statements):
        """Change an agent's store behind its back: SQL, or statements of SQLAlchemy."""
        with AgentStore(self.place(agent), "rw").transaction() as connection:
            for statement in statements:
                connection.execute(sa.text(statement) if isinstance(statement, str) else statement)

    def beat(self, agent, slot=0):
        """The newest heartbeat of a worker, as it is written; empty before the first."""
        path = heartbeat_path(self.home, agent, slot)
        return path.read_text() if path.exists() else ""

    def place(self, agent):
        return store_place(Settings.from_env(self.environ), agent)

    def rest(self, sent, timeout_s=90.0, keep_up=True):
        """Wait until everything sent is folded, read, written and published."""
        wait_until(lambda: self._at_rest(sent), timeout_s, self.keep_up if keep_up else None, self.told)

    def _at_rest(self, sent):
        try:
            digested = self.query("digest", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0]
            busy = self.query("digest", "SELECT (SELECT count(*) FROM timers) + (SELECT count(*) FROM outbox)")[0][0]
            if digested < sent or busy:
                return False
            (products,) = self.query("digest", "SELECT count(*), coalesce(sum(revision), 0) FROM products")
            shown = self.query(
                "summarize",
                "SELECT (SELECT count(*) FROM summaries), (SELECT coalesce(sum(points_revision), 0) FROM summaries), "
                "(SELECT count(*) FROM work) + (SELECT count(*) FROM outbox)",
            )[0]
        except StoreMissing:
            return False
        return shown == (*products, 0)

    def told(self):
        tail = self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""
        beats = [self.beat(*place) for place in self.processes]
        return f"exit codes {[p.poll() for p in self.processes.values()]}\n{tail}\n{beats}"


def with_broken(values, count):
    """The same records with unreadable ones between them, spread over keys and time."""
    step = len(values) // count
    mixed = []
    for number, value in enumerate(values):
        mixed.append(value)
        if number % step == step - 1 and number // step < count:
            mixed.append((f"broken-{number}".encode(), b"\xff\xfe no json"))
    return mixed


def wait_until(condition, timeout_s, meanwhile=None, told=lambda: ""):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s; {told()}"
        if meanwhile:
            meanwhile()
        time.sleep(0.1)


def send(kafka_settings, values, topic="reviews"):
    """Send (key, value) pairs, in order."""

    async def go():
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka_settings.bootstrap, acks="all", linger_ms=5, max_request_size=8 * 2**20
        )
        await producer.start()
        try:
            name = topic_name(kafka_settings.prefix, topic)
            receipts = [await producer.send(name, value, key) for key, value in values]
            return await asyncio.gather(*receipts)
        finally:
            await producer.stop()

    return asyncio.run(go())


def read_topic(kafka_settings, topic):
    """Read every record of a topic."""

    async def go():
        name = topic_name(kafka_settings.prefix, topic)
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka_settings.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = [TopicPartition(name, number) for number in range(kafka_settings.partitions)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            await consumer.seek_to_beginning(*parts)
            records = []
            while ends:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    records += batch
                ends = {part: end for part, end in ends.items() if await consumer.position(part) < end}
            return records
        finally:
            await consumer.stop()

    return asyncio.run(go())


def simulated(count, seed=1, products=4):
    """Reviews, and the (key, value) pairs that carry them."""
    reviews = list(Simulator(seed, products=products).reviews(count))
    return reviews, [(review.product_id.encode(), msgspec.json.encode(review)) for review in reviews]


def fold_offline(reviews):
    """What stands for each product when its reviews are simply folded in order."""
    table = SentenceTable.load()
    products: dict[str, Product] = {}
    for review in reviews:
        product = products.setdefault(review.product_id, Product(review.product_id))
        claims = split_claims(review.text or "")
        vectors = table.encode([claim.text for claim in claims])
        product.fold(review, product.review_count, review.created_at, claims, vectors)
    return {product_id: product.read(table.encode) for product_id, product in products.items()}


def newest(records, kind):
    """The record with the highest revision of each key, checked to be monotone in what stands."""
    standing = {}
    for record in records:
        value = msgspec.json.decode(record.value, type=kind)
        if value.product_id not in standing or value.revision > standing[value.product_id].revision:
            standing[value.product_id] = value
    return standing


def same_revision_same_bytes(records, kind):
    """Whether repeats of one revision are byte-identical."""
    seen = defaultdict(set)
    for record in records:
        value = msgspec.json.decode(record.value, type=kind)
        seen[value.product_id, value.revision].add(record.value)
    return all(len(values) == 1 for values in seen.values())


def check_everything(workers, reviews, broken=0):
    """State equals an offline fold, dead letters exact, latest revisions published, nothing twice."""
    settings = workers.settings
    expected = fold_offline(reviews)
    kept = workers.query("digest", "SELECT product_id, review_id FROM reviews")
    assert sorted(kept) == sorted((review.product_id, review.review_id) for review in reviews)
    point_records = read_topic(settings, "points")
    points = newest(point_records, Points)
    assert {product_id: reading_of(value) for product_id, value in points.items()} == expected
    assert same_revision_same_bytes(point_records, Points)
    summary_records = read_topic(settings, "summaries")
    summaries = newest(summary_records, Summary)
    stored = dict(workers.query("summarize", "SELECT product_id, record FROM summaries"))
    assert {product_id: msgspec.json.encode(value) for product_id, value in summaries.items()} == stored
    assert {product_id: value.bands for product_id, value in summaries.items()} == {
        product_id: reading.bands for product_id, reading in expected.items()
    }
    assert all(value.text and value.text_revision == value.revision for value in summaries.values())
    assert same_revision_same_bytes(summary_records, Summary)
    # A repeat is byte-identical; an event handled twice is not: its second letter tells another time.
    letters = {record.value for record in read_topic(settings, "dead-letters")}
    assert len(letters) == broken
