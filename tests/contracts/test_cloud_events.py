"""Our headers as CloudEvents' own SDK reads them."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from streams.cli.sending.files import InputFile
from streams.cli.sending.frontier import Frontier
from streams.cli.sending.kinds import KINDS, Shaper
from streams.cli.sending.sender import Order, Sending, Tally
from streams.contracts import CONTRACTS
from streams.events import logical
from tests.contracts.published import TRACE

AT = "2024-05-01T12:00:00.123456+05:30"
ROWS = {
    "reviews": {"review_id": "ré1", "product_id": "p", "text": "Fine.", "created_at": AT, "revision": 3},
    "documents": {"document_id": "d", "tenant": "t", "text": "Fine.", "changed_at": AT},
    "events": {"event_id": "e", "type": "t", "entity": {"user": "u"}, "values": {"n": 1.5}, "occurred_at": AT},
    "requests": {"request_id": "q", "question": "Is it?"},
    "feedback": {
        "feedback_id": "f", "target_id": "t", "target_kind": "k", "verdict": "up", "by": "u", "given_at": AT
    },
}  # fmt: skip
IDS = {"reviews": "p/ré1@3", "documents": "t/d@0", "events": "e@0", "requests": "q", "feedback": "f"}


def indexed_name(record: dict) -> str:
    if record.get("kind") == "review":
        return f"review:{record['product_id']}/{record['document_id']}"
    return f"document:{record.get('tenant', '')}/{record['document_id']}"


MADE_BY = {
    "points": ("digest", lambda record: f"points:{record['product_id']}"),
    "summaries": ("summarize", lambda record: f"summary:{record['product_id']}"),
    "indexed": ("index", indexed_name),
    "features": ("featurize", lambda record: f"features:{record['table']}:{record['key']}"),
    "answers": ("answer", lambda record: f"answer:{record['request_id']}"),
}
"""Who publishes a topic, and what its records are named by."""


def read(headers: Mapping[str, bytes], value: bytes, key: bytes | None = None) -> CloudEvent:
    return from_kafka(KafkaMessage(dict(headers), key, value), JSONFormat())


def written_again(event: CloudEvent) -> dict[str, bytes]:
    """The headers the SDK itself would send, without the key it takes for one of them."""
    headers = to_binary(event, JSONFormat()).headers
    return {name: value for name, value in headers.items() if name != "ce_partitionkey"}


def same(headers: Mapping[str, bytes]) -> dict[str, object]:
    """Headers without the trace; times as times."""
    plain = {name: value for name, value in headers.items() if name not in TRACE}
    return plain | {name: datetime.fromisoformat(plain[name].decode()) for name in plain if name == "ce_time"}


class RecordingProducer:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes, dict[str, bytes]]] = []

    async def send(self, key, value, headers):
        self.sent.append((key, value, dict(headers)))

    async def flush(self):
        pass

    async def finish(self):
        pass


def produce(tmp_path, kind: str) -> tuple[bytes, bytes, dict[str, bytes]]:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(msgspec.json.encode(ROWS[kind]) + b"\n")
    order = Order(KINDS[kind], Shaper(KINDS[kind], {}), [], None, None)
    producer = RecordingProducer()
    sending = Sending(order, producer, Tally(), Frontier(), lambda *rejected: "", lambda file: None)
    asyncio.run(sending.run([InputFile(str(path))]))
    (sent,) = producer.sent
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_what_produce_sends_is_a_cloud_event(tmp_path, kind):
    before = datetime.now(UTC)
    key, value, headers = produce(tmp_path, kind)
    event = read(headers, value, key)
    assert (event.get_specversion(), event.get_source()) == ("1.0", "/millrace/produce")
    assert (event.get_id(), event.get_type()) == (IDS[kind], f"millrace.{CONTRACTS[kind].message}.v1")
    if KINDS[kind].happened:
        assert event.get_time() == datetime.fromisoformat(AT)
    else:
        assert before <= event.get_time() <= datetime.now(UTC)
        assert "ce_time" in headers  # without it the SDK says when it reads
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == msgspec.json.decode(value)
    assert same(written_again(event)) == same(headers)


def test_what_agents_publish_is_a_cloud_event(published):
    assert {logical(one.topic) for one in published} == {one.topic for one in CONTRACTS.values() if one.published}
    for output in published:
        contract = CONTRACTS[logical(output.topic)]
        event, record = read(output.headers, output.value), msgspec.json.decode(output.value)
        assert event.get_data() == record
        assert event.get_type() == f"millrace.{contract.message}.v1"
        assert event.get_datacontenttype() == "application/json"
        assert event.get_time().tzinfo is not None
        assert same(written_again(event)) == same(output.headers)
        if contract.topic == "dead-letters":
            assert (event.get_id(), event.get_source()) == (record["dead_letter_id"], f"/millrace/{record['agent']}")
            assert event.get_time() == datetime.fromisoformat(record["failed_at"])
        else:
            agent, named = MADE_BY[contract.topic]
            assert event.get_id() == f"{named(record)}@{record['revision']}"
            assert event.get_source() == f"/millrace/{agent}"
        for field in ("updated_at", "indexed_at"):
            if field in record:
                assert event.get_time() == datetime.fromisoformat(record[field])


def test_one_id_is_one_record(published):
    named: dict[tuple[str, str], bytes] = {}
    for output in published:
        event = read(output.headers, output.value)
        assert named.setdefault((event.get_source(), event.get_id()), output.value) == output.value
