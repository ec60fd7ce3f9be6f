import asyncio
import io
from datetime import UTC, datetime

import msgspec
import pytest

from infra.kafka_producer import Receipt
from schemas.reviews import Review
from streams.cli.files import InputFile
from streams.cli.kinds import KINDS, Shaper
from streams.cli.sending import Order, Receipts, Sending, Tally


class FakeProducer:
    """Keeps what it is given."""

    def __init__(self):
        self.sent = []
        self.finished = False

    async def send(self, key, value, headers):
        self.sent.append((key, msgspec.json.decode(value, type=Review), dict(headers)))

    async def flush(self):
        pass

    async def finish(self):
        self.finished = True


def send(tmp_path, rows, *, kind="reviews", files=1, **more):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    order = Order(
        **{"kind": KINDS[kind], "shaper": Shaper(KINDS[kind], {}), "columns": [], "rate": None, "limit": None} | more
    )
    producer, tally, rejects = FakeProducer(), Tally(), []
    rejected = lambda file, row, problem: rejects.append((row.line, problem.reason))  # noqa: E731
    sending = Sending(order, producer, tally, rejected, lambda file: None)
    asyncio.run(sending.run([InputFile(str(path))] * files))
    return producer, tally, rejects


def test_receipts_are_written_in_the_order_of_rows():
    file = io.StringIO()
    receipts = Receipts(file)
    for number in (2, 0, 3):
        receipts.add(number, Receipt("t", 0, number))
    assert file.getvalue() == "t:0:0\n"
    receipts.add(1, Receipt("t", 1, 7))
    assert file.getvalue() == "t:0:0\nt:1:7\nt:0:2\nt:0:3\n"


def test_rows_without_an_id_get_the_same_one_whenever_the_file_is_sent(tmp_path):
    rows = [{"product_id": "p", "text": "same"}] * 3
    first, _, _ = send(tmp_path, rows)
    second, _, _ = send(tmp_path, rows)
    names = [review.review_id for _, review, _ in first.sent]
    assert names == [review.review_id for _, review, _ in second.sent]
    assert len(set(names)) == 3


def test_every_record_has_its_own_span_of_one_trace(tmp_path):
    producer, _, _ = send(tmp_path, [{"product_id": "p", "text": "x"}] * 3)
    parts = [headers["traceparent"].decode().split("-") for _, _, headers in producer.sent]
    assert len({trace for _, trace, _, _ in parts}) == 1
    assert len({span for _, _, span, _ in parts}) == 3
    assert {(len(version), len(trace), len(span)) for version, trace, span, _ in parts} == {(2, 32, 16)}


def test_a_value_larger_than_its_topic_takes_is_rejected(tmp_path):
    rows = [{"document_id": "d", "text": "x", "metadata": {"blob": "y" * (5 << 20)}}]
    _, tally, rejects = send(tmp_path, rows, kind="documents")
    assert rejects == [(1, "value_too_large")]
    assert (tally.sent, tally.rejected) == (0, 1)


@pytest.mark.parametrize("year", [1969, 2999])
def test_a_time_no_event_can_have_is_rejected(tmp_path, year):
    row = {"product_id": "p", "text": "x", "created_at": datetime(year, 12, 31, tzinfo=UTC).isoformat()}
    assert send(tmp_path, [row])[2] == [(1, "date_out_of_range")]


def test_the_limit_counts_rows_of_all_files(tmp_path):
    producer, tally, _ = send(tmp_path, [{"product_id": "p", "text": "x"}] * 3, files=3, limit=5)
    assert (len(producer.sent), tally.sent) == (5, 5)
    assert producer.finished
