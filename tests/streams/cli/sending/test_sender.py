import asyncio
import time
from datetime import UTC, datetime

import msgspec
import pytest

from infra.kafka.producer import Receipt
from schemas.reviews import Review
from streams.cli.sending.files import InputFile
from streams.cli.sending.frontier import Frontier, Settled
from streams.cli.sending.kinds import KINDS, Shaper
from streams.cli.sending.sender import Order, Sending, Tally


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


def send(tmp_path, rows, *, kind="reviews", files=1, skipped=0, frontier=None, **more):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    order = Order(
        **{"kind": KINDS[kind], "shaper": Shaper(KINDS[kind], {}), "columns": [], "rate": None, "limit": None} | more
    )
    producer, tally, rejects = FakeProducer(), Tally(), []

    def rejected(file, row, problem):
        rejects.append((row.line, problem.reason))
        return f"line {row.line}"

    sending = Sending(order, producer, tally, frontier or Frontier(skipped), rejected, lambda file: None)
    asyncio.run(sending.run([InputFile(str(path))] * files, skipped))
    return producer, tally, rejects


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
    assert tally.limited


def test_a_limit_that_is_never_reached_cuts_nothing_off(tmp_path):
    assert not send(tmp_path, [{"product_id": "p", "text": "x"}] * 3, files=2, limit=6)[1].limited


def test_a_run_that_goes_on_skips_the_rows_of_all_files_and_counts_its_limit_from_there(tmp_path):
    rows = [{"product_id": "p", "review_id": f"{number}", "text": "x"} for number in range(4)]
    sent = lambda **more: [review.review_id for _, review, _ in send(tmp_path, rows, files=2, **more)[0].sent]  # noqa: E731
    assert sent(skipped=5) == ["1", "2", "3"]
    assert sent(skipped=3, limit=2) == ["3", "0"]
    assert sent(skipped=8) == []


class SlowAtFirst(InputFile):
    """Takes its time over the rows that are skipped."""

    def rows(self, columns=()):
        for row in super().rows(columns):
            time.sleep(0.01 if row.number <= 40 else 0)
            yield row


def test_the_pace_begins_where_the_sending_does(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.InputFile", SlowAtFirst)
    _, tally, _ = send(tmp_path, [{"product_id": "p", "text": "x"}] * 60, skipped=40, rate=100.0)
    assert tally.sent == 20
    assert 0.15 <= tally.seconds < 0.35


def test_the_frontier_is_told_of_every_row_in_order(tmp_path):
    frontier = Frontier()
    rows = [{"product_id": "p", "text": "x"}, {"text": "nobody"}, {"product_id": "p", "text": "y"}]
    send(tmp_path, rows, frontier=frontier)
    for number in (1, 0):
        frontier.confirmed(number, Receipt("t", 0, number))
    assert frontier.take() == Settled(rows=3, rejected=1, receipts=["t:0:0", "t:0:1"], rejects=["line 2"])
