"""Documents on a real broker become rows of a real Milvus, whatever happens to the worker on the way."""

import random
import signal

import msgspec
import pytest

from infra.store_errors import StoreMissing
from infra.vectors.milvus import MilvusStore
from schemas.documents import document_key
from schemas.indexed import Indexed
from tests.integration.harness import Workers, read_topic, send, wait_until

SENTENCES = [f"The {part} of the {thing} is {state}." for part in ("valve", "seal", "motor")
             for thing in ("pump", "press", "crane") for state in ("worn", "new", "loose")]  # fmt: skip
PRINCIPALS = (["public"], ["fitters"], ["fitters", "office"])
POINTS = ("after_decide", "in_transaction", "after_commit", "work_after_call", "work_in_transaction", "before_done")


def history(count: int, seed: int) -> list[tuple[bytes, bytes]]:
    """Documents as their owners change them: written, edited, renamed, hidden, deleted; some revisions come late."""
    chance, found = random.Random(seed), []
    for number in range(count):
        name, revision = f"manual-{chance.randrange(count // 4)}.md", number + chance.choice([0, 0, 0, -5])
        if chance.random() < 0.15:
            record = {"document_id": name, "op": "delete", "revision": max(revision, 0)}
        else:
            parts = chance.sample(SENTENCES, chance.randrange(1, 6))
            text = "\n\n".join(f"## {part.split()[1]} {place}\n\n{part}" for place, part in enumerate(parts))
            record = {
                "document_id": name,
                "text": text,
                "title": "Manual",
                "principals": chance.choice(PRINCIPALS),
                "metadata": {"site": chance.choice(["north", "south"])},
                "revision": max(revision, 0),
            }
        found.append((name.encode(), msgspec.json.encode(record)))
    return found


def final(values: list[tuple[bytes, bytes]]) -> dict[str, dict]:
    """What must stand of each document, in the words of the contract."""
    standing: dict[str, dict] = {}
    for _, value in values:
        record = msgspec.json.decode(value)
        before = standing.get(record["document_id"])
        later = before is None or record["revision"] > before["revision"]
        if later or (record["revision"] == before["revision"] and "text" in before and "text" not in record):
            standing[record["document_id"]] = record
    return standing


def at_rest(workers: Workers, sent: int) -> bool:
    try:
        ((applied,),) = workers.query("index", "SELECT coalesce(sum(next_offset), 0) FROM fences")
        ((busy,),) = workers.query("index", "SELECT (SELECT count(*) FROM work) + (SELECT count(*) FROM outbox)")
    except StoreMissing:
        return False
    return applied == sent and not busy


def check(workers: Workers, vectors: MilvusStore, values: list[tuple[bytes, bytes]]) -> None:
    """Registry, words, placements, Milvus and what was told agree with the final documents."""
    expected = final(values)
    registry = workers.query("index", "SELECT document_key, op, revision, text FROM documents")
    assert {row[0]: row[1:] for row in registry} == {
        document_key(None, name): (one.get("op", "upsert"), one["revision"], one.get("text"))
        for name, one in expected.items()
    }
    ids = [row[0] for row in workers.query("index", "SELECT row_id FROM chunks ORDER BY row_id")]
    table = "rowid" if "MILLRACE_SQL" not in workers.environ else "row_id"
    assert [row[0] for row in workers.query("index", f"SELECT {table} FROM chunk_words ORDER BY 1")] == ids
    ((name,),) = workers.query("index", "SELECT name FROM collections WHERE state = 'serving'")
    placed = workers.query("index", "SELECT row_id, confirmed FROM placements ORDER BY row_id")
    assert [(row_id, bool(confirmed)) for row_id, confirmed in placed] == [(one, True) for one in ids]
    assert vectors.row_ids(name, 0, 10_000) == ids
    newest = {}
    for record in read_topic(workers.settings, "indexed"):
        told = msgspec.json.decode(record.value, type=Indexed)
        newest[told.document_id] = max(newest.get(told.document_id, told), told, key=lambda one: one.revision)
    counts = dict(workers.query("index", "SELECT document_key, count(*) FROM chunks GROUP BY document_key"))
    assert {name: (one.document_revision, one.op, one.chunks) for name, one in newest.items()} == {
        name: (one["revision"], one.get("op", "upsert"), counts.get(document_key(None, name), 0))
        for name, one in expected.items()
    }


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, milvus, store_environ):
    it = Workers(tmp_path, kafka_settings, MILLRACE_MILVUS=milvus.uri, **store_environ)
    yield it
    it.stop()


@pytest.fixture
def vectors(milvus):
    store = MilvusStore(milvus.uri)
    yield store
    store.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_anywhere_leaves_the_index_of_the_final_documents(point, workers, vectors, kafka_settings):
    values = history(120, seed=len(point))
    send(kafka_settings, values[:60], "documents")
    victim = workers.start("index", MILLRACE_CRASH_AT=f"{point}:2")
    wait_until(lambda: victim.poll() is not None, 90, told=workers.told)
    assert victim.returncode == -signal.SIGKILL
    workers.keep_up()
    send(kafka_settings, values[60:], "documents")
    wait_until(lambda: at_rest(workers, len(values)), 90, workers.keep_up, workers.told)
    check(workers, vectors, values)


def test_while_milvus_is_away_the_stream_goes_on_and_vectors_follow(workers, vectors, kafka_settings):
    values = history(40, seed=3)
    send(kafka_settings, values, "documents")
    process = workers.start("index", MILLRACE_MILVUS="http://127.0.0.1:1")

    def applied():
        try:
            return workers.query("index", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0] == len(values)
        except StoreMissing:
            return False

    wait_until(applied, 60, told=workers.told)
    ((words,),), ((chunks,),) = (
        workers.query("index", f"SELECT count(*) FROM {table}") for table in ("chunk_words", "chunks")
    )
    assert words == chunks > 0
    assert process.poll() is None
    process.terminate()
    process.wait(30)
    workers.change("index", "UPDATE work SET not_before = 0")  # as if the backoff were over
    workers.start("index")
    wait_until(lambda: at_rest(workers, len(values)), 90, workers.keep_up, workers.told)
    check(workers, vectors, values)


def test_another_model_refuses_to_start_and_names_the_remedy(workers, kafka_settings):
    process = workers.start("index")
    wait_until(lambda: '"running"' in workers.beat("index"), 60, told=workers.told)
    process.terminate()
    process.wait(30)
    workers.change("index", "UPDATE collections SET model = 'other/1'")
    again = workers.start("index")
    wait_until(lambda: again.poll() is not None, 60, told=workers.told)
    assert again.returncode == 78
    assert "millrace index rebuild" in workers.beat("index")
