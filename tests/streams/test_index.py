import msgspec
import pytest

from infra.outbox import Cause
from infra.watermarks import read_watermarks
from schemas.index_tables import chunks, document_labels, document_principals, documents, placements
from schemas.tables import work_inputs
from streams.index import NEWS
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import START_S, Clock
from tests.streams.index_worker import (
    ONE,
    ZERO,
    Worker,
    causes,
    check,
    deletion,
    document,
    indexed,
    letters,
    numbered,
    pending,
    prepare,
    queued,
    rows,
    waiting,
    word_ids,
)

LONG = "# Pumps\n\nA pump moves water.\n\n# Valves\n\nA valve stops it.\n"


@pytest.fixture
def worker(store):
    return Worker(prepare(store), Clock(), FakeVectorStore())


def texts(store) -> list[str]:
    return [row["text"] for row in rows(store, chunks, "document_key", "position")]


def ids(store) -> list[int]:
    return [row["row_id"] for row in rows(store, chunks, "document_key", "position")]


def test_registry_words_permissions_and_placements_bind_at_the_commit_and_vectors_are_work(store, worker):
    worker.apply(*numbered(document(1, LONG, title="Guide", principals=["b", "a"], metadata={"team": "x"}, revision=3)))
    (row,) = rows(store, documents)
    assert (row["document_key"], row["revision"], row["version"], row["indexed_version"]) == ("/d1.md", 3, 1, 0)
    assert (row["title"], row["text"], row["changed_at"]) == ("Guide", LONG, START_S)
    assert texts(store) == ["A pump moves water.", "A valve stops it."]
    assert word_ids(store) == sorted(ids(store))
    assert [one["principal"] for one in rows(store, document_principals)] == ["a", "b"]
    assert [one["label"] for one in rows(store, document_labels)] == ["team=x"]
    assert [(one["row_id"], one["confirmed"]) for one in rows(store, placements)] == [
        (one, False) for one in sorted(ids(store))
    ]
    assert (waiting(store), indexed(store), worker.vectors.calls) == ([("/d1.md", 1, NEWS)], [], [])


def test_an_edit_keeps_the_rows_of_chunks_that_say_the_same_wherever_they_stand_now(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    pumps, valves = ids(store)
    worker.apply(*numbered(document(1, "# Valves\n\nA valve stops it.\n\n# Pipes\n\nNew.", revision=1), start=1))
    assert texts(store) == ["A valve stops it.", "New."]
    kept, new = ids(store)
    assert (kept, new not in (pumps, valves)) == (valves, True)
    assert word_ids(store) == sorted([kept, new])
    assert {one["row_id"] for one in rows(store, placements)} == {pumps, valves, new}


def test_a_chunk_that_comes_back_gets_another_row(store, worker):
    worker.apply(*numbered(document(1, "First.")))
    (before,) = ids(store)
    worker.apply(*numbered(document(1, "Second.", revision=1), start=1))
    worker.apply(*numbered(document(1, "First.", revision=2), start=2))
    assert ids(store) != [before]


@pytest.mark.parametrize("changed", [{"principals": ["boss"]}, {"metadata": {"team": "y"}}, {"title": "Guide"}])
def test_who_may_see_a_document_its_labels_and_its_title_give_every_chunk_another_row(store, worker, changed):
    worker.apply(*numbered(document(1, LONG)))
    before = ids(store)
    worker.apply(*numbered(document(1, LONG, revision=1, **changed), start=1))
    assert set(ids(store)).isdisjoint(before)
    assert (texts(store), word_ids(store)) == (["A pump moves water.", "A valve stops it."], sorted(ids(store)))


@pytest.mark.parametrize(("revision", "standing"), [(4, "Old."), (5, "Old."), (6, "New.")])
def test_an_upsert_counts_when_it_is_newer(store, worker, revision, standing):
    worker.apply(*numbered(document(1, "Old.", revision=5)))
    worker.apply(*numbered(document(1, "New.", revision=revision), start=1))
    assert texts(store) == [standing]


@pytest.mark.parametrize(("revision", "left"), [(4, 1), (5, 0), (6, 0)])
def test_a_deletion_counts_from_the_revision_that_stands_and_leaves_a_tombstone(store, worker, revision, left):
    worker.apply(*numbered(document(1, "Old.", revision=5, title="T", uri="u", metadata={"a": 1})))
    worker.apply(*numbered(deletion(1, revision), start=1))
    assert (len(ids(store)), len(word_ids(store))) == (left, left)
    if not left:
        (row,) = rows(store, documents)
        gone = [row[name] for name in ("op", "title", "uri", "text", "principals", "metadata")]
        assert gone == ["delete", None, None, None, b"[]", b"{}"]
        assert rows(store, document_principals) == rows(store, document_labels) == []


def test_an_older_upsert_never_comes_back_after_a_deletion_and_a_newer_one_does(store, worker):
    worker.apply(*numbered(deletion(1, 3), document(1, "Old.", revision=3)))
    assert texts(store) == []
    worker.apply(*numbered(document(1, "New.", revision=4), start=2))
    assert texts(store) == ["New."]


def test_events_of_one_document_in_a_run_are_folded_in_order_and_owed_to_the_oldest(store, worker):
    worker.apply(*numbered(document(2), document(1, "A.", revision=1), deletion(1, 2), document(1, "B.", revision=3)))
    row = rows(store, documents)[0]
    assert (texts(store)[0], row["version"], row["revision"]) == ("B.", 3, 3)
    assert msgspec.json.decode(row["sources"]) == {"documents": {"0": 4}}
    with store.read() as connection:
        assert read_watermarks(connection)[ZERO].offset == 0
    assert {(one["key"], one["oldest_offset"]) for one in rows(store, work_inputs)} == {("/d1.md", 1), ("/d2.md", 0)}


def test_an_event_that_changes_nothing_waits_for_work_that_waits_and_else_for_nothing(store, worker):
    worker.apply(*numbered(document(1)))
    worker.apply(*numbered(document(1), partition=1))
    with store.read() as connection:
        assert read_watermarks(connection)[ONE].offset == 0
    worker.work()
    assert {one.revision for one in indexed(store)} == {3}
    worker.apply(*numbered(document(1), partition=1, start=1))
    assert pending(store) == 0


def test_a_document_in_a_format_nobody_reads_is_a_dead_letter_and_what_stood_stands(store, worker):
    worker.apply(*numbered(document(1, "Old.")))
    worker.apply(*numbered({"document_id": "d1.md", "text": "%PDF-1.7 x", "revision": 1, "uri": "a.pdf"}, start=1))
    (letter,) = letters(store)
    assert (letter.reason, letter.agent) == ("unsupported_format", "digest")
    assert texts(store) == ["Old."]


def test_a_date_out_of_range_is_a_dead_letter(store, worker):
    worker.apply(*numbered(document(1, changed_at="1969-01-01T00:00:00Z")))
    assert [letter.reason for letter in letters(store)] == ["date_out_of_range"]
    assert rows(store, documents) == []


def test_a_document_for_more_principals_than_a_row_can_hold_is_a_dead_letter(store, worker):
    worker.apply(*numbered(document(1, principals=[f"p{n}" for n in range(4_097)]), document(2, principals=[])))
    assert [(letter.reason, letter.field) for letter in letters(store)] == [("invalid_field", "principals")]
    assert [row["document_key"] for row in rows(store, documents)] == ["/d2.md"]


def test_documents_of_two_tenants_may_share_their_id(store, worker):
    worker.apply(*numbered(document(1, "A.", tenant="x"), document(1, "B.", tenant="y"), document(1, "C.")))
    assert [row["document_key"] for row in rows(store, documents)] == ["/d1.md", "x/d1.md", "y/d1.md"]
    assert sorted(texts(store)) == ["A.", "B.", "C."]


def test_a_worker_that_was_second_decides_again(store, second_store, worker):
    other = Worker(second_store, worker.clock, worker.vectors)
    decide, late = worker.applier._handler.decide, iter([True])

    def decide_too_early(events, following):
        decided = decide(events, following)
        if next(late, False):
            other.apply(*numbered(document(1, "Second.", revision=2), partition=1))
        return decided

    worker.applier._handler.decide = decide_too_early
    worker.apply(*numbered(document(1, "First.", revision=1)))
    assert texts(store) == ["Second."]
    assert worker.applier._progress.counters.moved == 1
    worker.rest()
    check(worker)


def test_text_that_no_database_keeps_is_cleaned(store, worker):
    worker.apply(
        *numbered(
            document(1, "Alpha beta gam\x00ma.", title="t\x00", uri="u\x00", metadata={"k\x00": "v\x00", "n": 2**70})
        )
    )
    (row,) = rows(store, documents)
    assert (row["text"], row["title"], row["uri"], letters(store)) == ("Alpha beta gamma.", "t", "u", [])


@pytest.mark.parametrize("text", ["", "x" * 20_000, "# \n\n", "<html><body></body></html>"])
def test_empty_and_huge_documents_are_indexed(store, worker, text):
    worker.apply(*numbered(document(1, text)))
    worker.rest()
    check(worker)
    assert [(one.op, one.chunks) for one in indexed(store)] == [("upsert", len(ids(store)))]


def test_a_newer_revision_that_says_the_same_is_told_and_embeds_nothing(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.rest()
    before, asked = ids(store), len(worker.embedder.asked)
    worker.apply(*numbered(document(1, LONG, revision=1), start=1))
    worker.rest()
    assert (ids(store), len(worker.embedder.asked)) == (before, asked)
    assert [(one.revision, one.document_revision, one.embedded) for one in indexed(store)] == [(3, 0, 2), (5, 1, 0)]
    assert indexed(store)[1].sources == {"documents": {"0": 2}}
    check(worker)


CHANGES = {
    "deleted": (deletion(1, 1), ("delete", 0, 2), 2),
    "cut": (document(1, "# Pumps\n\nA pump moves water.", revision=1), ("upsert", 1, 1), 1),
    "edited": (document(1, LONG.replace("water", "oil"), revision=1), ("upsert", 2, 1), 1),
    "grown": (document(1, LONG.replace("water", "oil") + "\n# New\n\nNew.", revision=1), ("upsert", 3, 1), 1),
    "hidden": (document(1, LONG, principals=["boss"], revision=1), ("upsert", 2, 2), 1),
    "labelled": (document(1, LONG, metadata={"team": "y"}, revision=1), ("upsert", 2, 2), 1),
    "titled": (document(1, LONG, title="Guide", revision=1), ("upsert", 2, 2), 1),
}
"""What takes chunks away, what is told of it, and up to which offset that includes everything."""


@pytest.mark.parametrize(("change", "counts", "included"), CHANGES.values(), ids=CHANGES)
def test_what_a_change_takes_away_is_told_with_it_and_again_when_vectors_stand(store, worker, change, counts, included):
    worker.apply(*numbered(document(1, LONG)))
    worker.rest()
    worker.apply(*numbered(change, start=1, headers=(("traceparent", b"00-a-b-01"),)))
    _, told = indexed(store)
    assert (told.op, told.chunks, told.removed, told.embedded) == (*counts, 0)
    assert (told.revision, told.document_revision, told.sources) == (4, 1, {"documents": {"0": included}})
    _, one = queued(store)
    assert (one.output.key, one.output.headers["ce_id"]) == (b"d1.md", b"document:/d1.md@4")
    assert (one.output.headers["traceparent"], one.cause) == (b"00-a-b-01", Cause(*ZERO, 1))
    worker.rest()
    *_, last = indexed(store)
    assert (last.revision, last.op, last.chunks, last.sources) == (5, *counts[:2], {"documents": {"0": 2}})
    assert queued(store)[-1].output.headers["ce_id"] == b"document:/d1.md@5"
    check(worker)


NO_LOSS = {
    "moved": document(1, "# Valves\n\nA valve stops it.\n\n# Pumps\n\nA pump moves water.", revision=1),
    "grown": document(1, LONG + "\n# New\n\nNew.", revision=1),
    "the same": document(1, LONG, revision=1),
    "older": document(1, "Old."),
    "another": document(2, "Two."),
    "another's deletion": deletion(2),
}


@pytest.mark.parametrize("change", NO_LOSS.values(), ids=NO_LOSS)
def test_a_change_that_takes_nothing_away_is_told_only_when_vectors_stand(store, worker, change):
    worker.apply(*numbered(document(1, LONG)))
    worker.rest()
    worker.apply(*numbered(change, start=1))
    assert len(indexed(store)) == 1
    worker.rest()
    assert all(one.revision % 2 for one in indexed(store))


def test_what_the_registry_already_knew_to_be_gone_is_not_told_again(store, worker):
    worker.apply(*numbered(document(1, LONG), deletion(1, 1)))
    worker.apply(*numbered(deletion(1, 2), document(1, "New.", revision=3), start=2))
    assert indexed(store) == []


def test_an_edit_of_what_no_vector_finds_yet_includes_nothing_and_its_deletion_all(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.rest()
    for offset, one in enumerate((document(1, "B.", revision=1), document(1, "C.", revision=2), deletion(1, 3)), 1):
        worker.apply(*numbered(one, start=offset))
    told = [(one.revision, one.op, one.removed, one.sources) for one in indexed(store)[1:]]
    assert told == [
        (4, "upsert", 2, {"documents": {"0": 1}}),
        (6, "upsert", 1, {}),
        (8, "delete", 1, {"documents": {"0": 4}}),
    ]


def test_a_loss_that_several_events_of_a_run_make_is_told_once_and_owed_to_the_oldest(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.apply(*numbered(deletion(1, 1), document(1, "New.", revision=2), document(2), start=1))
    assert [(one.revision, one.document_revision, one.chunks, one.removed) for one in indexed(store)] == [(6, 2, 1, 2)]
    assert causes(store) == [Cause(*ZERO, 1)]


def test_the_trace_of_a_document_goes_on_with_what_is_told_of_it(store, worker):
    worker.apply(*numbered(document(1), headers=(("traceparent", b"00-a-b-01"),)))
    worker.work()
    (one,) = queued(store)
    assert one.output.headers["traceparent"] == b"00-a-b-01"
    assert one.output.headers["ce_id"] == b"document:/d1.md@3"
    assert (one.output.key, one.cause) == (b"d1.md", Cause(*ZERO, 0))
