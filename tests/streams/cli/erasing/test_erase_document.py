import base64

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from infra.vectors.vector_store import VectorRow, VectorStoreUnreachable
from infra.words.words import WordRow, put_words
from schemas.index_tables import chunks, collections, placements, vectors
from schemas.tables import ledger, outbox
from streams.cli.erasing.document_erasing import document_agents
from streams.cli.erasing.document_traces import count_index
from streams.cli.erasing.erase_document import check_readable
from streams.cli.erasing.erase_view import document_json, document_lines
from streams.cli.erasing.outcome import Outcome
from streams.cli.erasing.steps import LAST_REVISION
from streams.cli.erasing.telling import AGAIN
from streams.cli.errors import CommandError, Exit
from tests.streams.cli.erasing.answered import answer, citation, entry
from tests.streams.cli.erasing.document_stage import KEY, QUOTE, SECRET, SHARED, TEXT, Stage, erased
from tests.streams.cli.fake_logs import record
from tests.streams.cli.samples import letter
from tests.streams.index_worker import collection


@pytest.fixture
def stage(document_stage: Stage) -> Stage:
    return document_stage


def left(outcome: Outcome) -> dict[tuple[str, str], int]:
    return {(one.agent, one.where): one.count for one in outcome.left}


def serving(stage: Stage) -> str:
    with stage.worker() as worker:
        return collection(worker.store)


def test_the_receipt_says_exactly_what_went_what_stays_and_until_when(stage: Stage) -> None:
    outcome = erased(stage)
    assert msgspec.json.decode(msgspec.json.encode(document_json(outcome, 1.23456))) == {
        "erased": {"kind": "document", "document_id": SECRET, "tenant": None, "revision": 5},
        "was": "kept",
        "receipt": "documents:0:9",
        "removed": [
            {"agent": "answer", "where": "answers", "count": 1},
            {"agent": "answer", "where": "ledger", "count": 2},
            {"agent": "index", "where": "access", "count": 2},
            {"agent": "index", "where": "chunks", "count": 2},
            {"agent": "index", "where": "documents", "count": 1},
            {"agent": "index", "where": "placements", "count": 2},
            {"agent": "index", "where": "vector store", "count": 2},
            {"agent": "index", "where": "vectors", "count": 2},
            {"agent": "index", "where": "words", "count": 2},
        ],
        "left": [],
        "looked_for": ["id", "words"],
        "scrubbed": ["index"],
        "retained": [
            {
                "topic": "millrace.documents.v1",
                "partitions": [0],
                "records": 1,
                "until": "1970-01-09T00:16:42Z",
                "unbounded": None,
            },
            {
                "topic": "millrace.answers.v1",
                "partitions": [0],
                "records": 1,
                "until": "1970-01-09T00:16:40Z",
                "unbounded": None,
            },
        ],
        "waited_s": 1.235,
    }
    assert len(stage.row_ids("acme/guide.md")) == 1
    assert len(stage.stores.rows("index", vectors)) == 2


def test_first_all_documents_are_applied_then_one_deletion_is_sent_and_waited_for(stage: Stage) -> None:
    erased(stage)
    (sent,) = stage.chain.produced
    assert (sent.op, sent.document_id, sent.tenant, sent.revision, sent.text) == ("delete", SECRET, None, 5, None)
    assert stage.chain.waits == [
        (["index"], {"documents": {("documents", 0): (0, 9)}}, True),
        (["index", "answer"], {"documents": {("documents", 0): (0, 10)}}, False),
    ]


def test_people_read_it_in_eighty_columns(stage: Stage) -> None:
    lines = [line.plain for line in document_lines(erased(stage), 1.2, 1_002.0, postgres=False)]
    assert lines == [
        "Erased: document guide.md",
        "",
        "  removed    answer     1 answer that cited it · 2 ledger entries",
        "             index      1 text · 2 chunks · 2 rows of the vector store",
        "             index      2 cached vectors · 2 permissions and labels",
        "  kept       a tombstone: no revision up to 5 brings it back",
        "  deletion   documents:0:9, in all results after 1.2 s",
        "",
        "Kafka keeps what was published until it expires, at the latest:",
        "  millrace.documents.v1      1 record  1970-01-09 00:16 UTC, in 8 d",
        "  millrace.answers.v1        1 record  1970-01-09 00:16 UTC, in 7 d",
        "Readers of the topics must drop what they kept; the delete record tells them.",
        "Free pages of the database files may hold bytes of it;",
        "`sqlite3 FILE VACUUM` writes one anew.",
        "The vector store finds no row of it; its files may hold the numbers of deleted",
        "rows until it compacts them. They hold none of the words.",
    ]
    assert max(map(len, lines)) <= 80


def test_erased_again_it_says_so_sends_nothing_and_still_purges(stage: Stage) -> None:
    erased(stage)
    stage.stores.put("answer", ledger, entry("old", f"Some say: {QUOTE}", None))
    stage.chain.waits.clear()
    outcome = erased(stage)
    assert (outcome.target.was, outcome.receipt, len(stage.chain.produced)) == ("deleted", None, 1)
    assert (outcome.removed, outcome.left) == ({("answer", "ledger"): 1}, [])
    assert stage.chain.waits[1] == (["index", "answer"], {"documents": {("documents", 0): (0, 9)}}, False)
    lines = [line.plain for line in document_lines(outcome, 1.0, 0.0, postgres=True)]
    assert lines[0] == "Deleted before: document guide.md"


def test_one_that_was_only_deleted_loses_the_vectors_kept_for_its_return(stage: Stage) -> None:
    stage.apply({"document_id": SECRET, "op": "delete", "revision": 6})
    assert len(stage.stores.rows("index", vectors)) == 4
    outcome = erased(stage)
    assert (outcome.target.was, outcome.revision) == ("deleted", 6)
    assert outcome.removed["index", "vectors"] == 2
    assert len(stage.stores.rows("index", vectors)) == 2


def test_vectors_of_an_older_version_go_too_and_one_that_another_document_needs_stays(stage: Stage) -> None:
    stage.apply({"document_id": SECRET, "text": "Nothing of before.", "revision": 5})
    same = {"document_id": "copy.md", "text": "Nothing of before.", "revision": 1}
    stage.apply(same)
    outcome = erased(stage)
    assert (outcome.removed["index", "vectors"], outcome.left) == (2, [])
    kept = {row["text_hash"] for row in stage.stores.rows("index", vectors)}
    assert kept == {row["text_hash"] for row in stage.stores.rows("index", chunks)}


def test_vectors_nobody_needs_go_even_when_nobody_noticed(stage: Stage) -> None:
    stray = {"text_hash": "stray", "model": "fake/1", "vector": b"", "orphaned_at": None}
    stage.stores.put("index", vectors, stray)
    assert erased(stage).removed["index", "vectors"] == 3
    assert "stray" not in {row["text_hash"] for row in stage.stores.rows("index", vectors)}


def test_words_and_a_title_that_others_have_too_are_theirs(stage: Stage) -> None:
    stage.ask(
        answer("q3", f'"{SHARED}" [1]', citation(SHARED, "parcels.md", title="Keys of all our depots")),
        reads="/parcels.md",
    )
    stage.chain.logs.topics["answers"].append(
        record(7, answer("q3", f'"{SHARED}" [1]', citation(SHARED, "parcels.md")))
    )
    outcome = erased(stage)
    assert outcome.left == []
    assert [one.records for one in outcome.retained] == [1, 1]


@pytest.mark.parametrize("asked", [{"tenant": "acme"}, {"entities": {"product_id": "p"}}])
def test_answers_that_cannot_rest_on_it_are_not_its_whatever_they_say(stage: Stage, asked: dict) -> None:
    stage.ask(answer("q3", f'"{QUOTE}" [1]', citation(QUOTE, "x.md", **asked_of(asked))), reads="other", **asked)
    assert erased(stage).left == []


def asked_of(asked: dict) -> dict:
    return {"tenant": "acme"} if "tenant" in asked else {"kind": "review", "product_id": "p"}


def test_its_words_are_found_wherever_an_answer_still_says_them(stage: Stage) -> None:
    stage.ask(answer("late", f'"{QUOTE}" [1]', citation("else", "x.md")), reads="/x.md")
    waiting = {"input_topic": "requests", "input_partition": 0, "input_offset": 1, "topic": "millrace.answers.v1"}
    stage.stores.put("answer", outbox, {**waiting, "key": b"late", "value": QUOTE.encode(), "headers": b"[]"})
    outcome = erased(stage)
    assert left(outcome) == {
        ("answer", "words in answers"): 1,
        ("answer", "words in ledger"): 1,
        ("answer", "words in outbox"): 1,
    }
    lines = [line.plain for line in document_lines(outcome, 1.0, 0.0, postgres=True)]
    assert [line for line in lines if line.startswith("NOT REMOVED")] == [
        "NOT REMOVED  answer: 1 answer that says its words",
        "NOT REMOVED  answer: 1 ledger entry that says its words",
        "NOT REMOVED  answer: 1 output on its way that says its words",
    ]
    assert document_json(outcome, 1.0)["left"][0]["why"].startswith("it is still there")


@pytest.mark.parametrize("agent", ["index", "answer"])
def test_a_dead_letter_on_its_way_loses_its_payload(stage: Stage, agent: str) -> None:
    told = msgspec.json.encode(
        letter(payload=msgspec.json.encode({"document_id": SECRET, "text": "x", "revision": ""}))
    )
    output = {"input_topic": "documents", "input_partition": 0, "input_offset": 1, "topic": "millrace.dead-letters.v1"}
    stage.stores.put(agent, outbox, {**output, "key": b"k", "value": told, "headers": b"[]"})
    assert erased(stage).removed[agent, "outbox"] == 1
    (row,) = [row for row in stage.stores.rows(agent, outbox) if row["topic"] == "millrace.dead-letters.v1"]
    assert msgspec.json.decode(row["value"])["payload_base64"] is None


def test_dead_letters_and_broken_records_in_the_topics_are_counted_and_other_tenants_are_not(stage: Stage) -> None:
    payloads = [
        {"document_id": SECRET, "text": QUOTE, "revision": "seven"},
        {"document_id": SECRET, "tenant": "acme", "text": "Keys, too.", "revision": "seven"},
        answer("q1", f'"{QUOTE}" [1]', citation(QUOTE, SECRET)),
    ]
    key = base64.b64encode(b"k").decode()
    letters = [letter(payload=msgspec.json.encode(payload), key_base64=key) for payload in payloads]
    stage.chain.logs.topics["dead-letters"] = [record(number, one) for number, one in enumerate(letters)]
    stage.chain.logs.topics["documents"].append(record(8, msgspec.json.encode(payloads[0])[:-9], b"another key"))
    retained = {one.topic: one.records for one in erased(stage).retained}
    assert retained == {"millrace.documents.v1": 2, "millrace.answers.v1": 1, "millrace.dead-letters.v1": 2}


def test_words_of_a_page_are_read_without_its_tags(stage: Stage) -> None:
    page = "<html><body><p>The night <b>shift</b> of the harbour sleeps <i>until</i> noon on Sundays.</p></body></html>"
    stage.chain.logs.topics["documents"].append(
        record(9, {"document_id": SECRET, "text": page, "revision": 1}, SECRET.encode())
    )
    said = "The night shift of the harbour sleeps until noon on Sundays."
    stage.chain.logs.topics["answers"].append(record(8, answer("q7", said, citation("so", "other.md")), b"q7"))
    assert {one.topic: one.records for one in erased(stage).retained}["millrace.answers.v1"] == 2


def test_rows_a_dead_worker_brought_back_are_removed_from_the_vector_store(stage: Stage) -> None:
    name, gone = serving(stage), stage.forget
    zombies = [VectorRow(99, KEY, 0, (1,), (), np.ones(8, np.float32))]
    stage.chain.on_gone = lambda: (gone(), stage.vectors.smuggle(name, zombies))  # type: ignore[func-returns-value, assignment]
    assert erased(stage).left == []
    assert KEY not in {row.document_key for row in stage.vectors.rows(name).values()}


def test_retired_and_building_collections_are_looked_at_and_ones_that_were_dropped_are_not(stage: Stage) -> None:
    name = serving(stage)
    rows = [row for row in stage.vectors.rows(name).values() if row.document_key == KEY]
    for number, state in enumerate(("retired", "building", "retired")):
        made = {"name": f"more_{number}", "model": "old/1", "chunking": "1", "state": state, "created_at": 1.0}
        stage.stores.put("index", collections, made)
    for other in ("more_0", "more_1"):
        stage.vectors.prepare(other, "old/1", 8)
        stage.vectors.upsert(other, rows)
        spots = [{"collection": other, "row_id": row.row_id, "document_key": KEY, "confirmed": True} for row in rows]
        stage.stores.put("index", placements, *spots)
    outcome = erased(stage)
    assert outcome.left == []
    assert outcome.removed["index", "vector store"] == 6
    assert [stage.vectors.rows(other) for other in ("more_0", "more_1")] == [{}, {}]
    assert KEY not in {row["document_key"] for row in stage.stores.rows("index", placements)}


def test_words_without_a_chunk_are_removed(stage: Stage) -> None:
    stage.stores.open("index").change(lambda connection: put_words(connection, [WordRow(5, "Zanzibar", "Zanzibar")]))
    outcome = erased(stage)
    assert outcome.left == []
    with stage.stores.open("index", "ro").transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM chunk_words WHERE rowid = 5")) == 0


def test_words_without_a_chunk_would_be_counted(stage: Stage) -> None:
    stage.stores.open("index").change(lambda connection: put_words(connection, [WordRow(5, "Zanzibar", "Zanzibar")]))
    with stage.stores.open("index", "ro").transaction() as connection:
        assert count_index(connection, KEY, ())["words"] == 3


def test_what_the_agents_leave_behind_is_told_with_a_reason(stage: Stage) -> None:
    stage.chain.on_gone = None
    outcome = erased(stage)
    assert left(outcome)["index", "chunks"] == left(outcome)["index", "vector store"] == 2
    assert left(outcome)["answer", "answers"] == 1
    assert outcome.revision is None
    assert {one.why for one in outcome.left} == {"a newer version of it has come, revision 4: erase it again"}


def test_a_newer_version_that_came_meanwhile_is_told(stage: Stage) -> None:
    gone = stage.forget

    def come_back() -> None:
        gone()
        stage.apply({"document_id": SECRET, "text": TEXT, "revision": 9})

    stage.chain.on_gone = come_back
    outcome = erased(stage)
    assert (outcome.revision, left(outcome)["index", "documents"]) == (None, 1)
    whys = {one["why"] for one in document_json(outcome, 1.0)["left"]}
    assert whys == {"a newer version of it has come, revision 9: erase it again"}
    assert len(stage.row_ids()) == 2  # nothing of what stands was purged
    stage.chain.on_gone = stage.forget
    assert erased(stage).left == []


def test_an_unseen_document_gets_a_tombstone_and_its_words_are_not_known(stage: Stage) -> None:
    outcome = erased(stage, "new.md", unseen=True)
    told = document_json(outcome, 1.0)
    assert (stage.chain.produced[0].op, stage.chain.produced[0].revision, outcome.revision) == ("delete", 0, 0)
    assert (told["was"], told["removed"], told["retained"], told["looked_for"]) == ("unseen", [], [], ["id"])
    lines = [line.plain for line in document_lines(outcome, 1.0, 0.0, postgres=True)]
    assert "Its words are not known any more: only its id was looked for." in lines


def test_only_the_tenants_own_is_erased(stage: Stage) -> None:
    outcome = erased(stage, tenant="acme")
    assert (stage.chain.produced[0].tenant, outcome.left) == ("acme", [])
    assert stage.row_ids("acme/guide.md") == []
    assert len(stage.row_ids()) == 2
    lines = [line.plain for line in document_lines(outcome, 1.0, 0.0, postgres=True)]
    assert lines[0] == "Erased: document guide.md of tenant acme"


@pytest.mark.parametrize("document_id", ['a "b" \\ c/d.md', "手机 100 %/'x'.md", "👩‍👧.md"])
def test_ids_may_hold_anything(stage: Stage, document_id: str) -> None:
    stage.apply({"document_id": document_id, "tenant": "a/b %", "text": QUOTE})
    outcome = erased(stage, document_id, tenant="a/b %")
    assert (outcome.removed["index", "vector store"], outcome.left, outcome.revision) == (1, [], 1)


def test_ids_that_are_no_ids_are_refused_before_anything_is_sent(stage: Stage) -> None:
    with pytest.raises(CommandError, match=r"document_id: .*length <= 200") as told:
        erased(stage, "x" * 300, unseen=True)
    assert (told.value.code, stage.chain.produced) == (Exit.USAGE, [])
    with pytest.raises(CommandError, match="is no UTF-8") as told:
        check_readable("\udcff", None)
    assert told.value.code == Exit.USAGE


def test_the_last_revision_there_is_can_be_erased(stage: Stage) -> None:
    stage.apply({"document_id": SECRET, "text": TEXT, "revision": LAST_REVISION})
    assert erased(stage).left == []
    assert stage.chain.produced[0].revision == LAST_REVISION


def test_an_unknown_document_ends_with_5_and_sends_nothing(stage: Stage) -> None:
    with pytest.raises(CommandError, match=r"nothing is known of a document 'nope.md' of tenant 'acme'") as told:
        erased(stage, "nope.md", tenant="acme")
    assert (told.value.code, stage.chain.produced) == (Exit.NOT_FOUND, [])


def test_without_an_agent_that_answers_only_the_index_is_erased_from(stage: Stage) -> None:
    stage.chain.agents = document_agents(lambda _agent: False)
    outcome = erased(stage)
    assert (outcome.agents, {agent for agent, _ in outcome.removed}) == (["index"], {"index"})


@pytest.mark.parametrize("agent", ["index", "answer"])
def test_without_a_worker_nothing_is_begun(stage: Stage, agent: str) -> None:
    stage.chain.fake.stopped.add(agent)
    with pytest.raises(CommandError, match=f"nothing is erased yet, but {agent} does not run"):
        erased(stage)
    assert stage.chain.produced == []


def test_without_the_vector_store_nothing_is_begun(stage: Stage) -> None:
    stage.vectors.fail()
    with pytest.raises(CommandError, match="nothing is erased yet, but no Milvus answers at memory"):
        erased(stage)
    assert stage.chain.produced == []


def test_a_vector_store_that_goes_away_meanwhile_proves_nothing(stage: Stage) -> None:
    gone = stage.forget
    stage.chain.on_gone = lambda: (gone(), stage.vectors.fail())  # type: ignore[func-returns-value]
    told = "the deletion of document guide.md is recorded at documents:0:9, but no Milvus answers"
    with pytest.raises(CommandError, match=told) as failed:
        erased(stage)
    assert failed.value.code == Exit.FAILED
    assert AGAIN in str(failed.value)


def test_a_reader_of_the_vector_store_gets_its_own_error(stage: Stage) -> None:
    stage.vectors.fail(1, "of_document", error=VectorStoreUnreachable("no Milvus answers at x", "Start one."))
    with pytest.raises(CommandError, match="nothing is erased yet, but no Milvus answers at x"):
        erased(stage)
