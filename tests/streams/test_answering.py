import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
import sqlalchemy as sa

from infra import ledger
from infra.errors import InfraError
from infra.fences import Moved
from infra.leases import Leased
from infra.outbox import Cause
from infra.rows.answer_rows import BasisRow, RequestRow, load_answers, put_request
from models.ports import WriteFailure
from processors.answers.assessment import Assessment
from schemas.answer_tables import answer_basis
from schemas.answers import Answer
from schemas.heartbeats import Counters
from schemas.requests import Request
from schemas.tables import ledger as ledger_table
from schemas.tables import spending, usage
from streams.answer import ANSWERING
from streams.answer_replies import NOTHING_SAID
from streams.answer_writing import UNBORNE, given_of
from streams.answering import LATE, LATE_SEARCHING, LATE_WRITING, NOTHING_FOUND
from streams.calling.accounts import Terms
from streams.calling.asks import call_key
from streams.work import Failed
from tests.streams.answer_world import ANSWERS, REQUESTS, FakeAnswerer, FakeIndex, make_answering
from tests.streams.fakes import START_S, Clock, chain_of

DEADLINE_S = START_S + 10
SOLD = "The port is 9042."


@pytest.fixture
def index():
    index = FakeIndex()
    index.put("guide", SOLD)
    return index


@pytest.fixture
async def writer():
    return FakeAnswerer()


@pytest.fixture
def answering(store, index, writer):
    return make_answering(store, index, writer)


def ask(store, request_id: str = "q", deadline: float = DEADLINE_S, **changed) -> None:
    request = Request(request_id=request_id, **{"question": "Which port?", **changed})
    sources = msgspec.json.encode({"requests": {"1": 5}})
    with store.write() as connection:
        put_request(connection, RequestRow(request_id, msgspec.json.encode(request), START_S, deadline, sources))


def leased(request_id: str = "q") -> Leased:
    return Leased(ANSWERING, request_id, 1, "asked", 1, (Cause(REQUESTS, 1, 4),), "token", {"traceparent": b"t"})


async def reply(answering, request_id: str = "q"):
    (job,) = answering.prepare([leased(request_id)])
    (outcome,) = await answering.call([job])
    return job, outcome


def conclude(store, answering, job, outcome) -> Answer | None:
    """Write an outcome as the work service does; none if it does not stand."""
    change, output = answering.decide(job, answering.paid(outcome))
    with store.write() as connection:
        if not answering.stands(connection, job):
            return None
        answering.settle(connection, outcome)
        change.write(connection)
    assert (output.topic, output.key, output.headers["traceparent"]) == (ANSWERS, job.request.request_id.encode(), b"t")
    assert output.value == change.row.record
    return msgspec.json.decode(output.value, type=Answer)


async def answered(store, answering, request_id: str = "q", **changed) -> Answer:
    ask(store, request_id, **changed)
    return conclude(store, answering, *await reply(answering, request_id))


def entries(store) -> list:
    with store.read() as connection:
        return connection.execute(sa.select(ledger_table)).all()


def basis(store) -> set[BasisRow]:
    with store.read() as connection:
        return {BasisRow(**row._mapping) for row in connection.execute(sa.select(answer_basis))}


def test_the_work_it_does_is_the_work_that_is_recorded(answering):
    assert answering.kind == ANSWERING


async def test_an_answer_quotes_its_passages_and_tells_where_everything_was_read(store, answering, index):
    answer = await answered(store, answering)
    assert (answer.text, answer.abstained, answer.reason) == (f'"{SOLD}" [1]', False, None)
    (citation,) = answer.citations
    assert (citation.document_id, citation.chunk_id, citation.quote) == ("guide", f"c-{SOLD}", SOLD)
    assert (answer.revision, answer.op, answer.features, answer.confidence) == (1, "upsert", {}, 0.9)
    assert answer.sources == {"requests": {"1": 5}, "documents": {"0": 7}}
    assert set(answer.timings_ms) == {"words", "assess", "write", "total"}
    (entry,) = entries(store)
    assert (answer.writer.engine, answer.writer.ledger_key) == ("fake", entry.ledger_key)
    assert basis(store) == {BasisRow("q", "/guide", f"c-{SOLD}", True)}
    with store.read() as connection:
        assert load_answers(connection, ["q"])["q"].record == msgspec.json.encode(answer)


async def test_only_what_is_cited_counts_as_cited_unless_a_fact_was_counted_from_all(store, index, writer):
    index.put("other", "It has a fan.")
    fact = "1 of 2 passages names a port."
    answering = make_answering(store, index, writer, assess=lambda _: Assessment(confidence=0.9, facts=(fact,)))
    writer.quotes = 1
    await answered(store, answering)
    assert {(row.source_key, row.cited) for row in basis(store)} == {("/guide", True), ("/other", False)}
    writer.answers = [f"{fact} [1]"]
    counted = await answered(store, answering, "r", question="How many?")
    assert counted.text.startswith("1 of 2 passages names a port")
    assert {row.cited for row in basis(store) if row.request_id == "r"} == {True}


async def test_who_asks_sees_what_everybody_and_they_may_see_and_no_other_tenant(store, answering, index):
    index.put("secret", "The port is 1.", principals=["boss"])
    index.put("abroad", "The port is 2.", tenant="t")
    assert len((await answered(store, answering)).citations) == 1
    assert len((await answered(store, answering, "boss", principals=["boss"])).citations) == 2
    answer = await answered(store, answering, "t", tenant="t")
    assert [one.document_id for one in answer.citations] == ["abroad"]


async def test_a_product_is_answered_for_from_its_reviews(store, answering, index):
    index.review("p", "r1", "It runs small.")
    index.review("other", "r1", "It runs large.")
    answer = await answered(store, answering, entities={"product_id": "p", "shop": "s"})
    (citation,) = answer.citations
    assert (citation.kind, citation.product_id, citation.document_id) == ("review", "p", "r1")
    assert {row.source_key for row in basis(store)} == {"review:p/r1"}


async def test_nothing_found_is_told_and_nobody_is_asked(store, answering, writer, index):
    index.delete("guide")
    answer = await answered(store, answering)
    assert (answer.text, answer.abstained, answer.citations) == (None, True, [])
    assert (answer.reason, answer.writer, answer.confidence) == (NOTHING_FOUND, None, None)
    assert (writer.asked, entries(store), basis(store)) == ([], [], set())


@pytest.mark.parametrize(
    ("assessment", "told"),
    [
        (Assessment(confidence=0.1), Assessment(confidence=0.1).refusal(0.3)),
        (Assessment(confidence=0.9, reason="two products are meant"), "two products are meant"),
    ],
)
async def test_where_the_passages_hardly_answer_nobody_is_asked(store, index, writer, assessment, told):
    index.degraded = "words only"
    answer = await answered(store, make_answering(store, index, writer, assess=lambda _: assessment))
    assert (answer.abstained, answer.confidence, answer.reason) == (True, assessment.confidence, f"{told}; words only")
    assert (answer.text, writer.asked) == (None, [])


async def test_what_was_missing_is_told_beside_the_answer(store, answering, index):
    index.degraded = "vectors were not available: words only"
    answer = await answered(store, answering)
    assert (answer.abstained, answer.reason) == (False, index.degraded)


async def test_what_the_passages_do_not_bear_out_is_never_said(store, index, writer):
    fallback = FakeAnswerer(engine="own words")
    writer.answers = ['The port is 80 [1]. "Buy now" [1]. See [9].']
    answering = make_answering(store, index, writer, fallback=fallback)
    answer = await answered(store, answering)
    assert (answer.text, answer.writer.engine) == (f'"{SOLD}" [1]', "own words")
    assert sorted(entry.engine for entry in entries(store)) == ["fake", "own words"]
    fallback.answers, writer.answers = ["Nonsense [3]."], [""]
    silent = await answered(store, answering, "r", question="Which one?")
    assert (silent.text, silent.abstained, silent.reason, silent.writer) == (None, True, NOTHING_SAID, None)
    assert {row.cited for row in basis(store) if row.request_id == "r"} == {False}


async def test_a_writer_that_fails_for_good_is_stood_in_for(store, index, writer):
    counters = Counters()
    writer.answers = [WriteFailure("refused", False)]
    answering = make_answering(store, index, writer, fallback=FakeAnswerer(engine="own words"), counters=counters)
    assert (await answered(store, answering)).writer.engine == "own words"
    assert (counters.writer_calls, counters.writer_failures) == (2, 1)


async def test_a_writer_that_is_busy_is_asked_again_only_while_there_is_time(store, index, writer):
    fallback, clock = FakeAnswerer(engine="own words"), Clock()
    answering = make_answering(store, index, writer, fallback=fallback, now=clock)
    ask(store)
    writer.answers = [WriteFailure("busy", True, 2.0)]
    assert (await reply(answering))[1] == Failed("busy", 2.0, again_by=DEADLINE_S)
    writer.answers = [WriteFailure("no turn", True, asked=False)]
    assert (await reply(answering))[1] == Failed("no turn", None, again_by=DEADLINE_S, asked=False)
    clock.now = DEADLINE_S - 4
    writer.answers = [WriteFailure("busy", True, 2.0)]
    assert conclude(store, answering, *await reply(answering)).writer.engine == "own words"


async def test_a_fallback_that_is_busy_too_leaves_the_work_to_be_tried_again_by_the_deadline(store, index, writer):
    fallback = FakeAnswerer(WriteFailure("busy too", True, 7.0))
    writer.answers = [WriteFailure("refused", False)]
    ask(store)
    assert (await reply(make_answering(store, index, writer, fallback=fallback)))[1] == Failed(
        "busy too", 7.0, again_by=DEADLINE_S
    )


async def test_an_index_that_cannot_be_read_is_tried_again_by_the_deadline(store, answering, index):
    ask(store)
    index.failures = [InfraError("index has never run here", "Start it.")]
    _, failed = await reply(answering)
    assert (failed.again_by, "never run" in failed.error) == (DEADLINE_S, True)
    assert conclude(store, answering, *await reply(answering)).text is not None


async def test_a_fault_of_ours_is_not_taken_for_an_outage(store, answering, index):
    ask(store)
    index.failures = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        await reply(answering)


async def test_after_the_deadline_nothing_is_looked_up_and_that_is_told(store, answering, index, writer):
    answer = await answered(store, answering, deadline=START_S)
    assert (answer.text, answer.abstained, answer.reason) == (None, True, LATE)
    assert (index.queries, writer.asked) == ([], [])


async def test_a_writer_that_is_too_slow_is_stood_in_for_before_the_deadline(store, index, writer):
    writer.gate.clear()
    answering = make_answering(store, index, writer, fallback=FakeAnswerer(engine="own words"))
    answer = await answered(store, answering, deadline=START_S + 3.0)
    assert answer.writer.engine == "own words"


async def test_when_the_deadline_comes_meanwhile_that_is_told(store, index, writer):
    writer.gate.clear()
    answering = make_answering(store, index, writer, fallback=writer)
    assert (await answered(store, answering, deadline=START_S + 1.0)).reason == LATE_WRITING
    slow = FakeAnswerer(engine="slow")
    slow.gate.clear()
    both = make_answering(store, index, writer, fallback=slow)
    late = await answered(store, both, "r", deadline=START_S + 1.0)
    assert (late.text, late.reason, late.abstained) == (None, LATE_WRITING, True)


async def test_a_search_that_hangs_holds_nobody_else_up_and_is_told(store, index, writer):
    release = threading.Event()
    index.after_search = lambda: release.wait(10)
    answering = make_answering(store, index, writer)
    with ThreadPoolExecutor(1) as threads:
        answering._threads = threads
        late = await answered(store, answering, deadline=START_S + 1.0)
        queued = await answered(store, answering, "r", deadline=START_S + 1.0)
        release.set()
    assert (late.reason, queued.reason) == (LATE_SEARCHING, LATE_SEARCHING)
    assert len(index.queries) == 1, "what was given up before it began is never begun"


async def test_a_call_is_named_by_everything_that_decides_its_output(store, answering, writer):
    await answered(store, answering)
    (request,) = writer.asked
    key = call_key(writer, given_of(request))
    assert [entry.ledger_key for entry in entries(store)] == [key]
    assert call_key(writer, given_of(replace(request, request_id="other"))) == key
    passage = request.passages[0]
    for other in (
        replace(request, question="Why?"),
        replace(request, passages=()),
        replace(request, passages=(msgspec.structs.replace(passage, row_id=1),)),
        replace(request, passages=(msgspec.structs.replace(passage, text="x"),)),
    ):
        assert call_key(writer, given_of(other)) != key
    for name in ("engine", "model", "prompt_version", "parameters"):
        standing = getattr(writer, name)
        setattr(writer, name, "other")
        assert call_key(writer, given_of(request)) != key
        setattr(writer, name, standing)


async def test_the_same_question_to_the_same_passages_is_not_paid_again(store, index, writer):
    counters = Counters()
    answering = make_answering(store, index, writer, counters=counters)
    first, second = await answered(store, answering), await answered(store, answering, "r")
    assert (first.text, len(writer.asked)) == (second.text, 1)
    assert (counters.writer_calls, counters.ledger_hits) == (1, 1)
    assert {row.request_id for row in basis(store)} == {"q", "r"}


async def test_what_the_ledger_has_by_then_is_said_and_cannot_be_mislabelled(store, answering, index, writer):
    ask(store)
    ask(store, "r")
    writer.answers = [f'"{SOLD}" [1]', "The port is 9042 [1]"]
    first, second = await reply(make_answering(store, index, writer)), await reply(answering, "r")
    assert conclude(store, answering, *first).text == f'"{SOLD}" [1]'
    job, outcome = second
    with pytest.raises(Moved), store.write() as connection:
        answering.settle(connection, outcome)
    change, _ = answering.decide(job, answering.paid(outcome))
    assert msgspec.json.decode(change.row.record, type=Answer).text == f'"{SOLD}" [1]'


async def test_what_an_unwritten_answer_read_is_kept_beside_its_call(store, answering, index):
    """Its lease was lost: only the ledger is written, and it must go when the document does."""
    ask(store)
    _, outcome = await reply(answering)
    with store.write() as connection:
        answering.settle(connection, outcome)
    assert basis(store) == {BasisRow("q", "/guide", f"c-{SOLD}", False)}
    assert [entry.subject for entry in entries(store)] == ["q"]


@pytest.mark.parametrize("gone", ["deleted", "edited", "hidden"])
async def test_a_call_does_not_stand_when_anything_it_read_is_gone(store, answering, index, gone):
    ask(store)
    job, outcome = await reply(answering)
    with store.write() as connection:
        assert answering.stands(connection, job)
    if gone == "deleted":
        index.delete("guide")
    else:
        index.put(
            "guide", SOLD if gone == "hidden" else "No port.", principals=["boss" if gone == "hidden" else "public"]
        )
    assert conclude(store, answering, job, outcome) is None
    with store.read() as connection:
        assert ledger.find(connection, [outcome.draft.entries[0].ledger_key]) == {}


async def test_a_call_stands_when_what_it_read_is_opened_to_more(store, answering, index):
    ask(store)
    job, outcome = await reply(answering)
    index.put("guide", SOLD, principals=["public", "boss"])
    assert conclude(store, answering, job, outcome).text == f'"{SOLD}" [1]'


async def test_several_at_once_come_back_in_the_order_of_the_work(store, answering, index):
    for request_id in ("q", "r"):
        ask(store, request_id)
    jobs = answering.prepare([leased("r"), leased("q")])
    assert [one.request_id for one in await answering.call(jobs)] == ["r", "q"]


async def test_a_text_without_the_character_that_postgres_refuses_is_kept(store, answering, writer):
    writer.answers = [f'"{SOLD}" [1]\x00']
    assert (await answered(store, answering)).text == f'"{SOLD}" [1]'


BUSY = WriteFailure("503", retryable=True, endpoint=True)


async def test_an_endpoint_that_fails_is_stood_in_for_at_once_and_the_stamp_says_so(store, index, writer):
    fallback, counters = FakeAnswerer(engine="own words"), Counters()
    writer.answers = [BUSY]
    answer = await answered(store, make_answering(store, index, writer, fallback=fallback, counters=counters))
    stamp = answer.writer
    assert (stamp.engine, stamp.instead_of, stamp.because) == ("own words", "fake:m1", "503")
    assert counters.writer_stand_ins == 1


async def test_an_answer_that_stands_tells_of_nobody_it_stood_in_for(store, answering):
    stamp = (await answered(store, answering)).writer
    assert (stamp.instead_of, stamp.because) == (None, None)
    assert b"instead_of" not in msgspec.json.encode(stamp)


async def test_while_the_circuit_is_open_nobody_who_asks_waits_for_it(store, index, writer):
    writer.endpoint, writer.answers = "https://models.example", [BUSY]
    terms = Terms(breaker_failures=1, breaker_s=300.0)
    answering = make_answering(store, index, writer, fallback=FakeAnswerer(engine="own words"), terms=terms)
    for request_id in "qr":
        answer = await answered(store, answering, request_id, question=f"Which port, {request_id}?")
        assert answer.writer.engine == "own words"
    assert len(writer.asked) == 1
    assert answer.writer.because == "https://models.example failed again and again and is left alone: 503"


async def test_those_who_are_named_answer_before_the_last_does(store, index, writer):
    second, last = FakeAnswerer(engine="second"), FakeAnswerer(engine="own words")
    writer.answers, second.answers = [BUSY], ["", f'"{SOLD}" [1]']
    answering = make_answering(store, index, writer, chain=chain_of(writer, last, second))
    first = await answered(store, answering)
    assert (first.writer.engine, first.writer.because) == ("own words", f"503; {UNBORNE}")
    writer.answers = [BUSY]
    then = await answered(store, answering, "r", question="Which one?")
    assert (then.writer.engine, then.writer.instead_of, then.writer.because) == ("second", "fake:m1", "503")


async def test_models_share_the_time_that_is_left_and_the_last_has_its_own(store, index, writer, monkeypatch):
    second, last, clock, given = FakeAnswerer(engine="second"), FakeAnswerer(engine="own words"), Clock(), []
    answering = make_answering(store, index, writer, chain=chain_of(writer, last, second), now=clock)
    ask_really = answering._writing._calls.ask

    async def slow(model, asks, patience_s=None):
        given.append(patience_s)
        if patience_s is None:
            return await ask_really(model, asks)
        clock.now += patience_s
        return [BUSY]

    monkeypatch.setattr(answering._writing._calls, "ask", slow)
    answer = await answered(store, answering, deadline=START_S + 9.0)
    assert (given, answer.writer.engine, answer.reason) == ([4.0, 4.0, None], "own words", None)


async def test_a_model_that_hangs_is_followed_by_those_after_it(store, index, writer):
    second, last = FakeAnswerer(engine="second"), FakeAnswerer(engine="own words")
    writer.gate.clear()
    answering = make_answering(store, index, writer, chain=chain_of(writer, last, second))
    answer = await answered(store, answering, deadline=START_S + 1.0)
    assert (answer.writer.engine, answer.reason) == ("second", None)


async def test_a_failure_for_ever_is_kept_with_the_answer_and_goes_when_what_it_read_does(store, index, writer):
    writer.answers = [WriteFailure("said nothing it may say", retryable=False, lasting=True)]
    counters = Counters()
    answering = make_answering(store, index, writer, fallback=FakeAnswerer(engine="own words"), counters=counters)
    first, again = await answered(store, answering), await answered(store, answering, "r")
    assert (first.writer.because, again.writer.because) == ("said nothing it may say",) * 2
    assert (len(writer.asked), counters.ledger_hits) == (1, 2)
    assert sorted((entry.engine, entry.failure, entry.subject) for entry in entries(store)) == [
        ("fake", "said nothing it may say", "q"),
        ("own words", None, "q"),
    ]


async def test_what_an_answer_about_a_product_costs_is_counted_for_the_product_and_no_question_is(store, index, writer):
    index.review("p", "r1", "It runs small.")
    answering = make_answering(store, index, writer)
    await answered(store, answering, entities={"product_id": "p"})
    await answered(store, answering, "r")
    with store.read() as connection:
        spent = connection.execute(sa.select(spending)).all()
        used = connection.execute(sa.select(usage)).all()
    assert [(row.key, row.tokens) for row in spent] == [("p", 10)]
    assert [row.calls for row in used] == [2]
    assert "port" not in str(used).lower()
