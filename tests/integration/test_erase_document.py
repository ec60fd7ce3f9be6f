"""``millrace erase document`` with real workers and a real Milvus: what is erased is gone, and the receipt is true."""

import json
from contextlib import closing
from datetime import datetime

import msgspec
import pytest

from infra.store_errors import StoreMissing
from infra.vectors.milvus import MilvusStore
from schemas.answers import Answer
from schemas.documents import Document, document_key
from schemas.requests import Request
from schemas.tables import GROUPS, STORES
from streams.topics import topic_name
from tests.integration.command_line import CommandLine
from tests.integration.harness import Workers, read_topic, send, wait_until

SECRET = 'depot/"keys" \\ 100 %/ключ.md'
MARKS = (b"zanzibar", b"quillon")
SHARED = "Every parcel is weighed at the gate before it leaves the yard."
MINE = Document(
    document_id=SECRET,
    title="Keys of the Zanzibar depot",
    text="# Keys\n\nThe night shift hands the Quillon keys over at half past five.\n\n"
    f"## Losing one\n\nWhoever loses a key tells the Zanzibar office within the hour. {SHARED}\n",
    metadata={"site": "Zanzibar"},
    revision=3,
)
OTHERS = [
    Document(document_id="parking.md", title="Parking", text="Visitors park in the yard behind the paint shop."),
    Document(document_id="parcels.md", title="Parcels", text=f"# Parcels\n\n{SHARED} Nobody opens them."),
    Document(document_id=SECRET, tenant="acme", text="The night shift of this house keeps its keys in a box."),
]
QUESTIONS = {"keys": "When does the night shift hand over the keys?", "park": "Where do visitors park?"}


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, milvus, store_environ):
    workers = Workers(tmp_path, kafka_settings, MILLRACE_MILVUS=milvus.uri, **store_environ)
    send(kafka_settings, [(one.document_id.encode(), msgspec.json.encode(one)) for one in [MINE, *OTHERS]], "documents")
    broken = msgspec.json.encode({"document_id": SECRET, "text": "Zanzibar, once more.", "revision": "seven"})
    send(kafka_settings, [(SECRET.encode(), broken)], "documents")
    try:
        workers.start("index")
        workers.start("answer")
        wait_until(lambda: indexed(workers, 5), 120, workers.keep_up, workers.told)
        yield workers
    finally:
        workers.stop()


@pytest.fixture
def millrace(workers, kafka_settings, milvus, store_environ):
    millrace = CommandLine(kafka_settings, workers.home)
    millrace.environ |= {"MILLRACE_MILVUS": milvus.uri, **store_environ}
    return millrace


def indexed(workers, sent):
    try:
        ((read,),) = workers.query("index", "SELECT coalesce(sum(next_offset), 0) FROM fences")
        ((left,),) = workers.query("index", "SELECT (SELECT count(*) FROM work) + (SELECT count(*) FROM outbox)")
    except StoreMissing:
        return False
    return (read, left) == (sent, 0)


def ask(workers, request_id):
    """Ask one of the questions and wait for what is published."""
    request = Request(request_id=request_id, question=QUESTIONS[request_id], deadline_ms=60_000)
    send(workers.settings, [(request_id.encode(), msgspec.json.encode(request))], "requests")
    wait_until(lambda: request_id in answers(workers.settings), 90, workers.keep_up, workers.told)
    return answers(workers.settings)[request_id]


def answers(settings):
    """The newest answer to each request."""
    told = sorted(
        (msgspec.json.decode(record.value, type=Answer) for record in read_topic(settings, "answers")),
        key=lambda answer: answer.revision,
    )
    return {answer.request_id: answer for answer in told}


def cited(answer):
    return {(one.tenant, one.document_id) for one in answer.citations}


def rows_of(milvus, workers, key):
    ((name,),) = workers.query("index", "SELECT name FROM collections WHERE state = 'serving'")
    with closing(MilvusStore(milvus.uri)) as vectors:
        return vectors.of_document(name, key)


def test_what_is_erased_is_gone_everywhere_and_the_receipt_is_true(workers, millrace, milvus):
    key = document_key(None, SECRET)
    assert (None, SECRET) in cited(ask(workers, "keys"))  # otherwise this test shows nothing
    assert cited(ask(workers, "park")) == {(None, "parking.md")}
    chunks = len(rows_of(milvus, workers, key))
    assert chunks == 2
    told = millrace("erase", "document", SECRET, "--json")
    assert told.returncode == 0, told.stderr
    receipt = json.loads(told.stdout)
    check_receipt(receipt, workers, chunks)
    withdrawn = answers(workers.settings)["keys"]
    assert (withdrawn.text, withdrawn.citations, withdrawn.abstained) == (None, [], True)
    assert answers(workers.settings)["park"].text is not None
    assert rows_of(milvus, workers, key) == []
    assert len(rows_of(milvus, workers, document_key("acme", SECRET))) == 1
    check_words(workers)
    check_search(millrace)
    again = millrace("erase", "document", SECRET)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"Deleted before: document {SECRET}\n")
    assert max(len(line) for line in again.stdout.splitlines()) <= 80


def check_receipt(receipt, workers, chunks):
    assert receipt["erased"] == {"kind": "document", "document_id": SECRET, "tenant": None, "revision": 4}
    removed = {(one["agent"], one["where"]): one["count"] for one in receipt["removed"]}
    assert removed.pop(("answer", "ledger")) >= 1  # the other question may have read it, too
    assert removed == {
        ("index", "documents"): 1,
        ("index", "chunks"): chunks,
        ("index", "words"): chunks,
        ("index", "placements"): chunks,
        ("index", "vectors"): chunks,
        ("index", "vector store"): chunks,
        ("index", "access"): 2,
        ("answer", "answers"): 1,
    }
    assert (receipt["left"], receipt["looked_for"]) == ([], ["id", "words"])
    assert receipt["scrubbed"] == ([] if "MILLRACE_SQL" in workers.environ else ["index", "answer"])
    for one in receipt["retained"]:
        assert datetime.fromisoformat(one["until"]).tzinfo is not None
    assert {one["topic"]: one["records"] for one in receipt["retained"]} == {
        topic_name(workers.settings.prefix, "documents"): 2,  # the broken one, too
        topic_name(workers.settings.prefix, "answers"): 1,
        topic_name(workers.settings.prefix, "dead-letters"): 1,
    }


def check_words(workers):
    """Look for words of it in all stores and in the bytes of every file, without the code that erases."""
    for agent in ("index", "answer"):
        for table in (table for group in STORES[agent] for table in GROUPS[group].sorted_tables):
            rows = workers.query(agent, f'SELECT * FROM "{table.name}"')
            cells = [cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row]
            assert not any(mark in cell.lower() for cell in cells for mark in MARKS), (agent, table.name)
    files = [path for path in workers.home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert not any(mark in path.read_bytes().lower() for mark in MARKS), path


def check_search(millrace):
    found = millrace("search", "zanzibar quillon keys night shift", "--json", "--limit", "20")
    hits = [json.loads(line) for line in found.stdout.splitlines()]
    assert found.returncode == 0, found.stderr
    assert {hit["document_id"] for hit in hits} <= {"parking.md", "parcels.md"}
    theirs = millrace("search", "night shift keys", "--tenant", "acme", "--json")
    assert [json.loads(line)["document_id"] for line in theirs.stdout.splitlines()] == [SECRET]


@pytest.mark.parametrize("store_environ", ["sqlite"], indirect=True)
def test_without_milvus_nothing_is_begun_and_nothing_is_proven(workers, millrace):
    told = millrace("erase", "document", SECRET, MILLRACE_MILVUS="http://127.0.0.1:1")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error: nothing is erased yet, but no Milvus answers at http://127.0.0.1:1")
    assert len([one for one in read_topic(workers.settings, "documents") if one.key == SECRET.encode()]) == 3
    unknown = millrace("erase", "document", "nobody/knows.md")
    assert (unknown.returncode, unknown.stdout) == (5, "")
    assert "nothing is known of a document 'nobody/knows.md'" in unknown.stderr
    workers.stop()
    alone = millrace("erase", "document", SECRET)
    assert alone.returncode == 1
    assert "does not run, so nothing moves" in alone.stderr
