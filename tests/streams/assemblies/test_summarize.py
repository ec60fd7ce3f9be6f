"""The summarize agent's writing as it is built from settings, with an endpoint that says what it is told."""

import json

import pytest
from msgspec.json import decode, encode

from infra import ledger
from infra.leases import Leased
from infra.outbox import Cause
from infra.rows.summary_rows import put_summary
from infra.rows.usage_rows import day_of, usage_since
from infra.settings import Settings
from schemas.heartbeats import Counters
from schemas.summaries import Summary
from streams.assemblies import summarize
from streams.parts import Context
from streams.summarize import WRITING
from streams.summary_records import make_row, show
from streams.work import Failed
from tests.fake_endpoint import FakeEndpoint, status
from tests.processors.readings import band, point, reading
from tests.streams.fakes import POINTS, START_S, Clock, NoPublisher, never, points_of, wanted_from

READING = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
GOOD = json.dumps({"sentences": [{"text": "Battery lasts long.", "points": ["P1"]}]})
WRONG = json.dumps({"sentences": [{"text": "It won 17 prizes in Paris.", "points": ["P1"]}]})


@pytest.fixture
def endpoint():
    with FakeEndpoint(says=lambda asked: GOOD) as endpoint:
        yield endpoint


@pytest.fixture
def build(store, tmp_path, endpoint):
    """Build what writes, anew as at every start of a process, on a store where a product waits for its text."""
    points = points_of(READING)
    with store.write() as connection:
        row = make_row(show(points, {}, None, START_S), 1, encode(points), None, wanted_from(points))
        put_summary(connection, row, 0)

    def built(**environ):
        settings = Settings.from_env(
            {
                "MILLRACE_HOME": str(tmp_path / "home"),
                "MILLRACE_WRITER": "openai:m",
                "MILLRACE_WRITER_URL": endpoint.url,
                "MILLRACE_WRITER_PRICES": "m=1/1",
                **environ,
            }
        )
        context = Context(settings, store, Counters(), "summarize-0", list, Clock(), never)
        return summarize.build(context)

    return built


async def written(store, parts) -> Summary | Failed:
    """Have the text written and put over its points, as the work service does, and stop."""
    writing, stopping = (service(NoPublisher()) for service in parts.services)
    try:
        return await _written(store, writing._performer)
    finally:
        await stopping._engines.close()


async def _written(store, writing) -> Summary | Failed:
    (job,) = writing.prepare([Leased(WRITING, "p", 1, "first text", 1, (Cause(POINTS, 0, 0),), "token")])
    (outcome,) = await writing.call([job])
    if isinstance(outcome, Failed):
        return outcome
    _, output = writing.decide(job, outcome)
    with store.write() as connection:
        writing.settle(connection, outcome)
    return decode(output.value, type=Summary)


async def test_an_endpoint_writes_a_text_once_and_what_it_said_is_kept(store, build, endpoint):
    for _ in range(2):  # the second time is a replay
        summary = await written(store, build())
        assert summary.text == "Battery lasts long."
        assert (summary.writer.engine, summary.writer.model, summary.writer.instead_of) == ("openai", "m", None)
    assert len(endpoint.asked) == 1
    with store.read() as connection:
        entry = ledger.find(connection, [summary.writer.ledger_key])[summary.writer.ledger_key]
        (row,) = usage_since(connection, day_of(START_S))
    assert json.loads(entry.said) == json.loads(GOOD)
    assert (row.calls, row.hits, row.failures) == (1, 1, 0)
    assert row.cost == pytest.approx((row.tokens_in + row.tokens_out) / 1e6)
    assert row.cost == entry.cost > 0


async def test_what_is_rejected_twice_is_extractive_says_so_and_is_not_asked_for_again(store, build, endpoint):
    endpoint.says = lambda asked: WRONG
    for _ in range(2):
        summary = await written(store, build())
        stamp = summary.writer
        assert (stamp.engine, stamp.instead_of) == ("extractive", "openai:m")
        assert stamp.because.startswith("rejected twice")
        assert "says a number" in stamp.because
        assert "17" not in stamp.because
        assert "Paris" not in summary.text
    assert len(endpoint.asked) == 2


async def test_a_busy_endpoint_is_waited_for_and_one_that_refuses_is_stood_in_for(store, build, endpoint):
    endpoint.script(status(429, retry_after="7"))
    failed = await written(store, build())
    assert (failed.retry_after_s, "429" in failed.error) == (7.0, True)
    endpoint.script(*[status(400, "no such thing")] * 4)  # it is asked in other ways, too
    assert (await written(store, build())).writer.engine == "extractive"


async def test_a_spent_budget_makes_texts_extractive_and_asks_nobody(store, build, endpoint):
    summary = await written(store, build(MILLRACE_WRITER_BUDGET_DAY="0"))
    assert (summary.writer.engine, endpoint.asked) == ("extractive", [])
    assert summary.writer.because == "the budget of the day is spent (0.00 of 0.00)"
