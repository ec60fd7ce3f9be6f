"""A text whose writer had spent the budget of the day is written again on the next one, and nobody waits for it."""

from dataclasses import dataclass, field, replace

import msgspec
import pytest
import sqlalchemy as sa

from infra import fences, outbox
from infra.database import Store
from infra.outbox import Cause
from infra.watermarks import Watermark, can_hurry, read_watermarks
from models.ports import WriteFailure
from schemas.points import Points
from schemas.summaries import Summary
from schemas.tables import outbox as outbox_table
from schemas.tables import summaries, work, work_inputs
from streams.summarize import Pace, SummarizeHandler
from streams.work import WorkLimits, WorkService
from streams.writing import DAY_S, OVER_BUDGET, SPREAD_S, next_day
from tests.processors.readings import band, point, reading
from tests.streams.fakes import (
    POINTS,
    START_S,
    SUMMARIES,
    Clock,
    FakeWriter,
    NoPublisher,
    after_forgetting,
    applier,
    make_writing,
    never,
    points_of,
    quoted,
    raw,
    run,
)

HERE = (POINTS, 0)
PACE = Pace(debounce_s=2.0, quiet_s=5.0, deadline_s=30.0, refreshes=False)
SMALL = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
SMALL_AGAIN = reading(positive=band(7, [point("Battery lasts long", 3, 7)]))
LARGE = reading(positive=band(20, [point("Straps are soft", 9, 20), point("Colour stays bright", 8, 20)]))
SPENT = WriteFailure("the budget of the day is spent", retryable=False, asked=False, over_budget=True)


@dataclass
class Agent:
    """A summarize worker without a broker, moved by hand."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    writer: FakeWriter = field(default_factory=FakeWriter)
    last: FakeWriter = field(default_factory=lambda: FakeWriter(engine="fallback"))
    delivered: int = 0
    service: WorkService = field(init=False)

    def __post_init__(self) -> None:
        writing = make_writing(self.store, self.writer, self.last, now=self.clock)
        rest = {"owner": "summarize-0", "mine": lambda: [HERE], "limits": WorkLimits(4, 2, 0.005)}
        self.service = WorkService(writing, self.store, NoPublisher(), now=self.clock, crash=never, **rest)

    def take(self, points: Points) -> None:
        handler = SummarizeHandler(self.store, topic=SUMMARIES, pace=PACE, now=self.clock)
        applier(handler, self.store).apply(run(raw(self.delivered, points, topic=POINTS)))
        self.delivered += 1

    async def write(self, during: Points | None = None) -> int:
        """Have everything written that is due; returns how many texts that were."""
        leased = self.service._lease()
        jobs = self.service._performer.prepare(leased)
        outcomes = await self.service._performer.call(jobs)
        if during is not None:
            self.take(during)
        for one, job, outcome in zip(leased, jobs, outcomes, strict=True):
            self.service._conclude(one, job, outcome)
        return len(leased)

    def publish(self) -> list[tuple[Summary, Cause]]:
        with self.store.write() as connection:
            waiting = outbox.oldest(connection, [HERE], 100)
            connection.execute(outbox_table.delete())
        return [(msgspec.json.decode(one.output.value, type=Summary), one.cause) for one in waiting]

    def work(self) -> list[tuple[str, float]]:
        with self.store.read() as connection:
            return [(row.reason, row.not_before) for row in connection.execute(sa.select(work))]

    def owed(self) -> int:
        with self.store.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(work_inputs))

    def mark(self) -> Watermark:
        with self.store.read() as connection:
            return read_watermarks(connection)[HERE]

    def wanted(self) -> bytes | None:
        with self.store.read() as connection:
            return connection.scalar(sa.select(summaries.c.wanted))


@pytest.fixture
async def agent(store):
    """A worker that has spent its budget, and so has shown the text of a stand-in."""
    with store.write() as connection:
        fences.create(connection, HERE, 0, "cluster", "topic")
    agent = Agent(store)
    agent.writer.answers = [SPENT]
    agent.take(points_of(SMALL))
    await agent.write()
    return agent


async def test_a_text_that_a_budget_kept_from_its_writer_is_to_be_written_again_on_the_next_day(agent):
    last, _ = agent.publish()[-1]
    assert (last.writer.engine, last.writer.instead_of) == ("fallback", "fake:m1")
    assert agent.work() == [(OVER_BUDGET, next_day(agent.clock.now, "p"))]


async def test_nobody_waits_for_the_next_day(agent):
    agent.publish()
    assert agent.mark() == Watermark(1, 1, "fence")
    assert agent.owed() == 0
    with agent.store.read() as connection:
        assert not can_hurry(connection, {HERE: 1}, agent.clock.now)


async def test_on_the_next_day_its_writer_writes_it_and_it_is_published_and_holds_no_watermark(agent):
    agent.publish()
    agent.take(points_of(SMALL_AGAIN, 2))
    agent.publish()
    agent.clock.now = next_day(agent.clock.now, "p") - 0.01
    assert await agent.write() == 0
    agent.clock.now += 0.01
    assert await agent.write() == 1
    assert agent.mark() == Watermark(2, 2, "fence")
    ((summary, cause),) = agent.publish()
    assert (summary.writer.engine, summary.writer.instead_of, summary.bands) == ("fake", None, SMALL_AGAIN.bands)
    assert (summary.text_revision, cause) == (1, Cause(*HERE, 2))
    assert [one.reading for one in agent.writer.asked] == [SMALL, SMALL]
    assert (agent.work(), agent.wanted()) == ([], None)


async def test_a_day_whose_budget_is_spent_at_once_publishes_the_same_words_no_second_time(agent):
    agent.publish()
    tomorrow = agent.clock.now = next_day(agent.clock.now, "p")
    agent.writer.answers = [replace(SPENT, error="the budget of the day is spent, too")]
    assert await agent.write() == 1
    assert agent.publish() == []
    assert agent.work() == [(OVER_BUDGET, tomorrow + DAY_S)]
    agent.clock.now = tomorrow + DAY_S
    await agent.write()
    assert agent.publish()[0][0].writer.engine == "fake"


async def test_news_before_the_next_day_takes_its_place_and_is_waited_for(agent):
    agent.take(points_of(LARGE, 2))
    agent.publish()
    assert agent.work() == [("new points", agent.clock.now + PACE.debounce_s)]
    assert agent.mark() == Watermark(2, 1, "work", "summary")
    agent.clock.now += PACE.debounce_s
    await agent.write()
    ((summary, cause),) = agent.publish()
    assert (summary.writer.engine, cause, agent.work()) == ("fake", Cause(*HERE, 1), [])


async def test_news_that_comes_during_the_call_takes_the_place_of_the_next_day(agent):
    agent.clock.now = next_day(agent.clock.now, "p")
    agent.writer.answers = [SPENT]
    await agent.write(during=points_of(LARGE, 2))
    assert [reason for reason, _ in agent.work()] == ["new points"]
    assert agent.owed() == 1


async def test_a_text_that_cites_what_is_gone_by_then_is_written_at_once_and_from_what_stands(agent):
    agent.take(points_of(quoted("r1", "r2"), 2))
    agent.clock.now += PACE.debounce_s
    agent.writer.answers = [SPENT]
    await agent.write()
    agent.take(after_forgetting(quoted("r2"), 3, "r1"))
    assert agent.work() == [("cited review forgotten", agent.clock.now)]
    await agent.write()
    assert agent.writer.asked[-1].reading == quoted("r2")
    assert agent.work() == []


async def test_of_a_product_that_ends_nothing_is_written_on_the_next_day(agent):
    agent.take(after_forgetting(reading(), 2, "r1", op="delete"))
    assert (agent.work(), agent.wanted()) == ([], None)


async def test_a_stand_in_for_another_reason_has_the_last_word(store):
    with store.write() as connection:
        fences.create(connection, HERE, 0, "cluster", "topic")
    agent = Agent(store)
    agent.writer.answers = [WriteFailure("refused", retryable=False)]
    agent.take(points_of(SMALL))
    await agent.write()
    assert (agent.publish()[-1][0].writer.engine, agent.work(), agent.wanted()) == ("fallback", [], None)


def test_the_texts_of_a_new_day_are_spread_over_its_first_minutes():
    midnight = START_S + DAY_S
    times = {next_day(START_S, f"p{number}") for number in range(100)}
    assert midnight <= min(times)
    assert max(times) < midnight + SPREAD_S
    assert len(times) > 50
    assert {next_day(midnight - 0.5, "p"), next_day(START_S, "p")} == {next_day(START_S, "p")}
