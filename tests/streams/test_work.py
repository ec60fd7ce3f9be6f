import asyncio
import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
import pytest
import sqlalchemy as sa

from infra import fences, leases, ledger, outbox
from infra.database import Store
from infra.ledger import Entry
from infra.outbox import Cause
from models.ports import WriteFailure, Written
from processors.texts.ledger import canonical_input
from schemas.heartbeats import Counters
from schemas.points import Points
from schemas.summaries import Summary
from schemas.tables import ledger as ledger_table
from schemas.tables import outbox as outbox_table
from schemas.tables import summaries as summaries_table
from schemas.tables import usage, work
from streams import work as working
from streams.calling.accounts import Terms
from streams.calling.asks import call_key
from streams.summarize import Pace, SummarizeHandler
from streams.work import WorkLimits, WorkService
from streams.writing import Writing
from tests.processors.readings import band, point, reading
from tests.streams.fakes import (
    POINTS,
    SUMMARIES,
    Clock,
    CrashAt,
    FakeWriter,
    Killed,
    NoPublisher,
    after_forgetting,
    applier,
    make_writing,
    never,
    points_of,
    quoted,
    raw,
    run,
    until,
)

PACE = Pace(debounce_s=2.0, quiet_s=5.0, deadline_s=30.0, refreshes=False)
ZERO, ONE = (POINTS, 0), (POINTS, 1)
SMALL = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
LARGE = reading(positive=band(20, [point("Straps are soft", 9, 20), point("Colour stays bright", 8, 20)]))
OTHER = reading(negative=band(9, [point("Zipper breaks early", 7, 9)]))


@dataclass
class Agent:
    """A summarize worker without a broker: its stream by ``take``, its service in ``serving``."""

    store: Store
    clock: Clock
    writer: FakeWriter
    fallback: FakeWriter = field(default_factory=lambda: FakeWriter(Written("plain"), engine="fallback"))
    counters: Counters = field(default_factory=Counters)
    offsets: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    terms: Terms = field(default_factory=Terms)

    def take(self, *points: Points, partition: int = 0, **changed: object) -> None:
        start = self.offsets[partition]
        handler = SummarizeHandler(self.store, topic=SUMMARIES, pace=PACE, now=self.clock)
        records = [raw(start + n, one, topic=POINTS, partition=partition, **changed) for n, one in enumerate(points)]
        applier(handler, self.store).apply(run(*records))
        self.offsets[partition] += len(points)

    def writing(self) -> Writing:
        return self.writing_as(Writing)

    def writing_as(self, kind: type[Writing]) -> Writing:
        return make_writing(
            self.store,
            self.writer,
            self.fallback,
            counters=self.counters,
            now=self.clock,
            kind=kind,
            terms=self.terms,
        )

    def service(self, owner: str = "summarize-0", crash=never, performer=None, batch: int = 16) -> WorkService:
        return WorkService(
            performer or self.writing(),
            self.store,
            NoPublisher(),
            owner=owner,
            mine=lambda: [ZERO, ONE],
            limits=WorkLimits(batch, 2, 0.005),
            now=self.clock,
            crash=crash,
        )

    def summaries(self) -> list[Summary]:
        with self.store.read() as connection:
            found = outbox.oldest(connection, [ZERO, ONE], 100)
        return [msgspec.json.decode(one.output.value, type=Summary) for one in found]

    def causes(self) -> list[Cause]:
        with self.store.read() as connection:
            return [one.cause for one in outbox.oldest(connection, [ZERO, ONE], 100)]

    def texts(self) -> list[str | None]:
        return [summary.text for summary in self.summaries()]

    def rows(self) -> list[sa.Row]:
        with self.store.read() as connection:
            return list(connection.execute(sa.select(work)))

    def entries(self) -> list[Entry]:
        with self.store.read() as connection:
            return [Entry(**row._mapping) for row in connection.execute(sa.select(ledger_table))]


@pytest.fixture
async def agent(store):
    with store.write() as connection:
        for place in (ZERO, ONE):
            fences.create(connection, place, 0, "cluster", "topic")
    return Agent(store, Clock(), FakeWriter())


@contextlib.asynccontextmanager
async def serving(service: WorkService):
    task = asyncio.create_task(service.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def serve(agent: Agent, service: WorkService | None = None) -> None:
    """Serve until no work is left."""
    async with serving(service or agent.service()) as task:
        await until(lambda: task.done() or not agent.rows())
        if task.done():
            task.result()


async def test_work_becomes_a_text_with_its_stamp_and_its_ledger_entry(agent):
    agent.take(points_of(SMALL))
    await serve(agent)
    first, second = agent.summaries()
    assert (first.text, second.text, second.revision, second.text_revision) == (None, "text 1", 2, 2)
    (entry,) = agent.entries()
    assert (entry.engine, entry.model, entry.output, entry.tokens_in, entry.tokens_out) == (
        "fake",
        "m1",
        "text 1",
        7,
        3,
    )
    assert second.writer.ledger_key == entry.ledger_key
    assert (second.writer.engine, second.writer.prompt_version) == ("fake", "v1")
    assert agent.causes() == [Cause(*ZERO, 0)] * 2


async def test_a_slow_writer_never_holds_up_the_stream_and_news_during_its_call_are_one_more_call(agent):
    agent.writer.gate.clear()
    agent.take(points_of(SMALL))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        for revision in (2, 3, 4):
            agent.take(points_of(LARGE, revision))
        assert agent.texts() == [None] * 4
        agent.writer.gate.set()
        agent.clock.now += 30
        await until(lambda: not agent.rows())
    assert agent.writer.calls == 2
    assert agent.writer.asked[1].reading == LARGE
    assert agent.texts() == [None] * 4 + ["text 1", "text 2"]


async def test_a_text_tells_which_revision_its_points_were_shown_in(agent):
    agent.writer.gate.clear()
    agent.take(points_of(SMALL))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        agent.take(points_of(LARGE, 2))
        agent.writer.gate.set()
        await until(lambda: len(agent.summaries()) == 3)
        agent.clock.now += 30
        await until(lambda: not agent.rows())
    _, _, late, current = agent.summaries()
    assert (late.revision, late.text_revision, late.bands) == (3, 1, LARGE.bands)
    assert (current.revision, current.text_revision) == (4, 4)


async def test_a_call_in_the_ledger_is_never_made_again(agent):
    agent.take(points_of(SMALL))
    await serve(agent)
    agent.take(points_of(SMALL, product_id="twin"))
    await serve(agent)
    assert (agent.writer.calls, agent.counters.writer_calls, agent.counters.ledger_hits) == (1, 1, 1)
    assert agent.texts() == [None, "text 1", None, "text 1"]


async def test_equal_readings_in_one_batch_are_one_call(agent):
    agent.take(points_of(SMALL), points_of(SMALL, product_id="twin"), points_of(OTHER, product_id="z"))
    await serve(agent)
    assert len(agent.writer.asked) == 2
    assert sorted(text for text in agent.texts() if text) == ["text 1", "text 1", "text 2"]
    assert len(agent.entries()) == 2


async def test_another_model_is_another_call_and_never_takes_the_others_text(agent):
    agent.take(points_of(SMALL))
    await serve(agent)
    agent.writer.model = "m2"
    agent.take(points_of(SMALL, product_id="twin"))
    await serve(agent)
    assert [entry.model for entry in sorted(agent.entries(), key=lambda entry: entry.output)] == ["m1", "m2"]
    assert agent.summaries()[-1].writer.model == "m2"


async def test_a_failure_that_may_pass_is_tried_again_when_the_endpoint_says_so(agent):
    agent.writer.answers = [WriteFailure("429 slow down", True, 100.0)]
    agent.take(points_of(SMALL))
    async with serving(agent.service()):
        await until(lambda: bool(agent.rows()[0].last_error))
        (row,) = agent.rows()
        assert (row.last_error, row.not_before, row.lease_owner) == ("429 slow down", agent.clock.now + 100, None)
        agent.clock.now += 99
        await asyncio.sleep(0.05)
        assert agent.writer.calls == 1
        agent.clock.now += 1
        await until(lambda: not agent.rows())
    assert (agent.texts(), agent.counters.writer_failures) == ([None, "text 2"], 1)


async def test_waits_after_failures_double_with_jitter_up_to_a_limit(agent):
    agent.take(points_of(SMALL))
    waited = []
    for attempts in (1, 2, 3, 20, 5_000):
        service = agent.service(owner=f"owner-{attempts}")
        with agent.store.write() as connection:
            connection.execute(
                work.update().values(lease_owner=None, lease_until=None, not_before=0, attempts=attempts - 1)
            )
        (leased,) = service._lease()
        service._postpone(leased, working.Failed("no", None))
        waited.append(agent.rows()[0].not_before - agent.clock.now)
    for wait_s, longest in zip(waited, (1, 2, 4, 300, 300), strict=True):
        assert longest / 2 <= wait_s <= longest


async def test_work_that_was_only_held_back_comes_again_soon_after_however_often_it_failed(agent):
    agent.take(points_of(SMALL))
    service, waited = agent.service(), []
    for retry_after_s in (None, 30.0):
        with agent.store.write() as connection:
            connection.execute(work.update().values(lease_owner=None, lease_until=None, not_before=0, attempts=20))
        (leased,) = service._lease()
        service._postpone(leased, working.Failed("left alone", retry_after_s, asked=False))
        waited.append(agent.rows()[0].not_before - agent.clock.now)
        assert agent.rows()[0].attempts == 20, "nobody was asked"
    assert 1 <= waited[0] <= 2
    assert 30 < waited[1] <= 31


async def test_work_that_is_due_by_a_time_is_tried_again_by_then_whatever_the_wait_would_be(agent):
    agent.take(points_of(SMALL))
    service = agent.service()
    (leased,) = service._lease()
    service._postpone(leased, working.Failed("no", 100.0, again_by=agent.clock.now + 7))
    assert agent.rows()[0].not_before == agent.clock.now + 7


async def test_a_failure_for_good_is_written_by_the_fallback_and_the_stamp_says_so(agent):
    agent.writer.answers = [WriteFailure("400 refused", False)]
    agent.take(points_of(SMALL))
    await serve(agent)
    (entry,) = agent.entries()
    assert (agent.texts()[-1], entry.engine, agent.summaries()[-1].writer.engine) == ("plain", "fallback", "fallback")
    assert agent.summaries()[-1].writer.ledger_key == entry.ledger_key


async def test_one_failure_in_a_batch_leaves_the_others_their_texts(agent):
    agent.writer.answers = [WriteFailure("503", True), Written("good")]
    agent.take(points_of(SMALL, product_id="a"), points_of(OTHER, product_id="b"))
    async with serving(agent.service()):
        await until(lambda: "good" in agent.texts())
        await until(lambda: bool(agent.rows()[0].last_error))
    assert [row.key for row in agent.rows()] == ["a"]


async def test_a_call_whose_lease_was_lost_is_kept_in_the_ledger_only(agent):
    agent.writer.gate.clear()
    agent.take(points_of(SMALL))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        with agent.store.write() as connection:
            connection.execute(work.update().values(lease_owner="summarize-1:thief", lease_until=agent.clock.now + 60))
        agent.writer.gate.set()
        await until(lambda: bool(agent.entries()))
        await asyncio.sleep(0.05)
    assert (agent.texts(), len(agent.rows())) == ([None], 1)
    agent.clock.now += 61
    await serve(agent, agent.service("summarize-2"))
    assert (agent.texts(), agent.writer.calls) == ([None, "text 1"], 1)


async def test_a_ledger_entry_found_at_commit_wins_over_our_own_answer(agent):
    agent.writer.gate.clear()
    agent.take(points_of(SMALL))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        key = call_key(agent.writer, canonical_input(SMALL))
        with agent.store.write() as connection:
            ledger.settle(connection, Entry(key, "fake", "m1", "v1", "theirs", 1, 1, 1.0, agent.clock.now))
        agent.writer.gate.set()
        await until(lambda: not agent.rows())
    assert agent.texts() == [None, "theirs"]
    assert [entry.output for entry in agent.entries()] == ["theirs"]


def _leased() -> working.Leased:
    return working.Leased("summary", "p", 1, "first text", 1, (Cause(*ZERO, 0),), "token")


async def test_points_that_move_between_decision_and_write_are_not_lost(agent):
    class Overtaken(Writing):
        def decide(self, job, outcome):
            decided = super().decide(job, outcome)
            if agent.offsets[0] == 1:
                agent.take(points_of(LARGE, 2))
            return decided

    agent.take(points_of(SMALL))
    async with serving(agent.service(performer=agent.writing_as(Overtaken))):
        await until(lambda: len(agent.summaries()) == 3)
    last = agent.summaries()[-1]
    assert (last.revision, last.text, last.text_revision, last.bands) == (3, "text 1", 1, LARGE.bands)
    assert agent.writer.asked[0].reading == SMALL  # a later call, for the newer points, may be under way


async def test_a_stop_drops_the_call_in_flight_and_the_next_process_makes_it_again_at_once(agent):
    agent.writer.gate.clear()
    agent.take(points_of(SMALL))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
    assert (agent.rows()[0].attempts, agent.entries()) == (1, [])
    agent.writer.gate.set()
    await serve(agent)
    assert (agent.writer.calls, agent.texts()) == (2, [None, "text 2"])


async def test_a_lease_is_renewed_while_its_call_lasts(agent, monkeypatch):
    monkeypatch.setattr(working, "LEASE_S", 0.06)
    agent.writer.gate.clear()
    agent.take(points_of(SMALL))
    async with serving(agent.service("summarize-0")), serving(agent.service("summarize-1")):
        await agent.writer.entered.wait()
        for _ in range(20):
            agent.clock.now += 0.01
            await asyncio.sleep(0.03)
        agent.writer.gate.set()
        await until(lambda: not agent.rows())
    assert agent.writer.calls == 1


@pytest.mark.parametrize(
    ("point", "calls"), [("work_after_call", 2), ("work_in_transaction", 2), ("work_after_commit", 1)]
)
async def test_a_process_that_dies_at_any_point_writes_one_text_in_the_end(agent, point, calls):
    agent.take(points_of(SMALL))
    with pytest.raises(Killed):
        async with asyncio.timeout(5):
            await agent.service(crash=CrashAt(point)).run()
    await serve(agent)
    assert (agent.writer.calls, len(agent.texts()), len(agent.entries())) == (calls, 2, 1)


async def test_a_bug_in_a_writer_ends_the_service(agent):
    agent.writer.write = None
    agent.take(points_of(SMALL))
    with pytest.raises(TypeError):
        await serve(agent)


async def test_texts_owed_to_several_partitions_are_queued_for_each(agent):
    agent.take(points_of(SMALL))
    agent.take(points_of(LARGE, 2), partition=1)
    await serve(agent)
    assert agent.causes() == [Cause(*ZERO, 0), Cause(*ONE, 0), Cause(*ZERO, 0), Cause(*ONE, 0)]
    assert agent.texts() == [None, None, "text 1", "text 1"]


async def test_calls_are_made_side_by_side_up_to_the_limit(agent):
    agent.writer.gate.clear()
    for number in range(3):
        agent.take(points_of(reading(positive=band(number + 6, [])), product_id=f"p{number}"))
    async with serving(agent.service(batch=1)):
        await until(lambda: agent.writer.calls == 2)
        await asyncio.sleep(0.05)
        assert agent.writer.calls == 2
        agent.writer.gate.set()
        await until(lambda: not agent.rows())
    assert agent.writer.calls == 3


async def test_a_call_that_cites_a_review_forgotten_meanwhile_writes_nothing_and_is_made_again(agent):
    agent.writer.gate.clear()
    agent.take(points_of(quoted("r1", "r2")))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        agent.take(after_forgetting(quoted("r2"), 2, "r1"))
        agent.writer.gate.set()
        await until(lambda: not agent.rows())
    assert [request.reading for request in agent.writer.asked] == [quoted("r1", "r2"), quoted("r2")]
    assert agent.texts() == [None, None, "text 2"]
    assert [entry.output for entry in agent.entries()] == ["text 2"]
    assert agent.summaries()[0] == agent.summaries()[1]  # what waited says what the newest says


async def test_a_call_that_is_written_down_while_another_worker_forgets_what_it_read_leaves_nothing(
    agent, second_store
):
    agent.take(points_of(quoted("r1")))
    writing = agent.writing()
    (job,) = writing.prepare([_leased()])
    (answer,) = await writing.call([job])
    other = dataclasses.replace(agent, store=second_store)
    with ThreadPoolExecutor(1) as thread:
        with agent.store.write() as connection:
            assert writing.stands(connection, job)
            writing.settle(connection, answer)
            forgetting = thread.submit(other.take, after_forgetting(quoted("r2"), 2, "r1"))
            with pytest.raises(TimeoutError):  # it waits for this transaction
                forgetting.result(timeout=0.5)
        forgetting.result(timeout=30)
    assert agent.entries() == []


async def test_a_late_text_that_cites_nothing_forgotten_is_shown_but_its_call_counted_what_is_gone(agent):
    agent.writer.gate.clear()
    agent.take(points_of(quoted("r1", of=7)))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        agent.take(after_forgetting(quoted("r1", of=6), 2, "r9"))
        agent.writer.gate.set()
        await until(lambda: "text 1" in agent.texts())
        assert agent.entries() == []
        late = agent.summaries()[-1]
        assert (late.text_revision, late.bands) == (1, quoted("r1", of=6).bands)


async def test_a_late_text_is_written_again_when_a_deletion_took_back_what_it_was_written_for(agent):
    agent.take(points_of(SMALL))
    await serve(agent)
    agent.writer.gate.clear()
    agent.writer.entered.clear()
    agent.take(points_of(LARGE, 2))
    agent.clock.now += PACE.debounce_s
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        agent.take(after_forgetting(SMALL, 3, "r9"))  # fits the text that stands, not the one that is being written
        agent.clock.now += PACE.debounce_s
        agent.writer.gate.set()
        await until(lambda: not agent.rows())
    assert [request.reading for request in agent.writer.asked] == [SMALL, LARGE, SMALL]
    assert agent.texts()[-1] == "text 3"
    assert [entry.output for entry in agent.entries()] == ["text 3"]


async def test_work_on_a_product_that_ends_is_dropped_and_holds_no_watermark(agent):
    agent.writer.gate.clear()
    agent.take(points_of(quoted("r1")))
    async with serving(agent.service()) as task:
        await agent.writer.entered.wait()
        agent.take(after_forgetting(reading(), 2, "r1", op="delete"))
        assert agent.rows() == []
        assert agent.causes() == [Cause(*ZERO, 0)] * 2  # its end is owed to what waited for a text, too
        with agent.store.read() as connection:
            assert leases.inputs(connection, "summary", ["p"]) == {}
        agent.writer.gate.set()
        agent.take(points_of(OTHER, product_id="q"))
        await until(lambda: task.done() or not agent.rows())
    assert [(one.product_id, one.op, one.text) for one in agent.summaries()] == [
        ("p", "delete", None),
        ("p", "delete", None),
        ("q", "upsert", None),
        ("q", "upsert", "text 2"),
    ]
    assert [entry.subject for entry in agent.entries()] == ["q"]


async def test_a_call_for_a_product_that_ended_leaves_the_work_of_its_return_alone(agent):
    agent.writer.gate.clear()
    agent.take(points_of(quoted("r1")))
    async with serving(agent.service()):
        await agent.writer.entered.wait()
        agent.take(after_forgetting(reading(), 2, "r1", op="delete"), after_forgetting(quoted("r5"), 3, "r1"))
        agent.writer.gate.set()
        await until(lambda: not agent.rows())
    assert [request.reading for request in agent.writer.asked] == [quoted("r1"), quoted("r5")]
    assert (agent.summaries()[-1].text, agent.summaries()[-1].text_revision) == ("text 2", 3)


async def test_a_call_that_cited_nothing_does_not_end_the_lease_of_its_products_return(agent):
    agent.take(points_of(reading(positive=band(6, []))))
    service = agent.service()
    (before,) = service._lease()
    (job,) = service._performer.prepare([before])
    agent.take(after_forgetting(reading(), 2, "r1", op="delete"))
    agent.take(after_forgetting(quoted("r5"), 3, "r1"))
    (now,) = service._lease()
    (outcome,) = await service._performer.call([job])
    service._conclude(before, job, outcome)
    assert [row.lease_owner for row in agent.rows()] == [now.token]
    with agent.store.read() as connection:
        assert leases.inputs(connection, "summary", ["p"]) == {"p": [Cause(*ZERO, 2)]}
    assert agent.entries() == []


async def test_the_trace_of_the_newest_points_goes_on_with_the_text(agent):
    agent.take(points_of(SMALL), headers=(("traceparent", b"00-a-b-01"),))
    await serve(agent)
    with agent.store.read() as connection:
        traces = [one.output.headers["traceparent"] for one in outbox.oldest(connection, [ZERO], 10)]
    assert (agent.texts(), traces) == ([None, "text 1"], [b"00-a-b-01"] * 2)


DOWN = WriteFailure("503", retryable=True, endpoint=True)


async def test_while_an_endpoint_is_down_its_texts_wait_and_the_stream_goes_on(agent):
    agent.terms = Terms(breaker_failures=1, breaker_s=100.0)
    agent.writer.endpoint, agent.writer.answers = "https://models.example", [DOWN, DOWN]
    started, service = agent.clock.now, agent.service(batch=1)
    agent.take(*(points_of(SMALL, product_id=product_id) for product_id in "a"))
    async with serving(service):
        await until(lambda: bool(agent.rows()[0].last_error))
        agent.take(points_of(OTHER, product_id="b"), points_of(LARGE, product_id="c"))
        await until(lambda: all(row.last_error for row in agent.rows()))
        held = {row.key: row for row in agent.rows()}
        for key in "bc":  # soon after the circuit may close
            assert started + 100 <= held[key].not_before <= started + 101
        assert (agent.writer.calls, agent.texts()) == (1, [None] * 3)
        agent.clock.now += 101  # the try fails, too, and nobody else is let through
        await until(lambda: agent.writer.calls == 2)
        await until(lambda: all(not row.lease_owner and row.not_before > agent.clock.now for row in agent.rows()))
        assert sum(row.attempts for row in agent.rows()) == 2, "who was held back was not tried"
        agent.clock.now += 400

        def written_in_time() -> bool:
            agent.clock.now += 10  # who meets the one probe is asked to come again
            return not agent.rows()

        await until(written_in_time)
    assert (agent.writer.calls, agent.counters.circuits_opened) == (5, 1)
    assert sorted(text for text in agent.texts() if text) == ["text 3", "text 4", "text 5"]


async def test_a_replay_finds_every_call_in_the_ledger_also_those_that_failed_for_ever(agent):
    rejected = WriteFailure("rejected twice", retryable=False, lasting=True)
    agent.writer.answers = [Written("one", 7, 3), rejected]
    for one, product_id in ((SMALL, "a"), (OTHER, "b"), (LARGE, "c")):
        agent.take(points_of(one, product_id=product_id))
        await serve(agent)
    before = {summary.product_id: (summary.text, summary.writer) for summary in agent.summaries() if summary.text}
    calls = agent.writer.calls + agent.fallback.calls
    with agent.store.write() as connection:
        for table in (summaries_table, outbox_table):
            connection.execute(table.delete())
    for one, product_id in ((SMALL, "a"), (OTHER, "b"), (LARGE, "c")):
        agent.take(points_of(one, product_id=product_id))
    await serve(agent)
    after = {summary.product_id: (summary.text, summary.writer) for summary in agent.summaries() if summary.text}
    assert (agent.writer.calls + agent.fallback.calls, agent.counters.ledger_hits) == (calls, 4)
    assert after == before
    assert {product_id for product_id, (_, stamp) in after.items() if stamp.instead_of} == {"b"}


async def test_calls_are_as_many_as_there_are_keys_and_those_in_flight_at_crashes(agent):
    points = [points_of(reading(positive=band(number + 6, [])), product_id=f"p{number}") for number in range(6)]
    agent.take(*points)
    for place in ("work_after_call", "work_in_transaction", "work_after_call"):
        with pytest.raises(Killed):
            async with asyncio.timeout(5):
                await agent.service(crash=CrashAt(place), batch=1).run()
    await serve(agent, agent.service(batch=1))
    assert len(agent.entries()) == 6
    assert 6 <= len(agent.writer.asked) <= 6 + 3 * 2  # two are in flight at each crash
    with agent.store.read() as connection:
        counted = sum(row.calls for row in connection.execute(sa.select(usage)))
    assert 6 <= counted <= len(agent.writer.asked)  # a crash may come between a call and its being counted
