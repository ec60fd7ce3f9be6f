import asyncio
import dataclasses

import pytest
import sqlalchemy as sa

from infra import ledger
from infra.ledger import Entry
from infra.rows.usage_rows import UsageRow, day_of, usage_since
from models.ports import WriteFailure, Written
from processors.calls.budgets import Budgets, Spent
from processors.calls.prices import Prices
from schemas.heartbeats import Counters
from schemas.tables import spending
from streams.calling.accounts import Books, Terms
from streams.calling.asks import Ask, call_key
from streams.calling.calls import Calls
from tests.streams.fakes import START_S, Clock, FakeWriter, until

TODAY = day_of(START_S)
PRICES = Prices.parse("m1=1000/2000")  # of 7 tokens in and 3 out: 0.013
BUSY = WriteFailure("503", retryable=True, endpoint=True)


@pytest.fixture
async def writer():
    return FakeWriter(endpoint="https://models.example")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(store, clock):
    """Make calls on some terms."""

    def made(counters: Counters | None = None, others=(), **terms) -> Calls:
        return Calls(
            store,
            lambda model, requests, _: model.write(requests),
            terms=Terms(**{"prices": PRICES, **terms}),
            counters=counters or Counters(),
            now=clock,
            others=others,
        )

    return made


def ask(given: str, account: str | None = "p", **changed) -> Ask:
    return Ask(subject=given, key=given, account=account, given=given, request=given, **changed)


def over(why: str) -> WriteFailure:
    return WriteFailure(why, retryable=False, asked=False, over_budget=True)


def usage(store) -> UsageRow:
    with store.read() as connection:
        (row,) = usage_since(connection, TODAY)
    return row


def spent(store) -> dict[str, tuple[int, float]]:
    with store.read() as connection:
        return {row.key: (row.tokens, row.cost) for row in connection.execute(sa.select(spending))}


def keep(store, entry: Entry) -> None:
    with store.write() as connection:
        ledger.settle(connection, entry)


async def test_a_call_is_written_down_at_once_with_its_tokens_and_its_cost(make, store, writer):
    counters = Counters()
    writer.answers = [Written("one", 7, 3, said="{}"), WriteFailure("400", False, tokens_in=5)]
    entry, failure = await make(counters).ask(writer, [ask("a"), ask("b", account="q")])
    assert (entry.output, entry.said, entry.failure, entry.subject) == ("one", "{}", None, None)
    assert (entry.cost, entry.created_at) == (pytest.approx(0.013), START_S)
    assert failure == WriteFailure("400", False, tokens_in=5)
    row = usage(store)
    assert (row.engine, row.model, row.prompt_version, row.calls, row.failures, row.hits) == (
        "fake",
        "m1",
        "v1",
        2,
        1,
        0,
    )
    assert (row.tokens_in, row.tokens_out, row.cost) == (12, 3, pytest.approx(0.018))
    assert row.latency_ms == pytest.approx(2 * entry.latency_ms)
    assert spent(store) == {"p": (10, pytest.approx(0.013)), "q": (5, pytest.approx(0.005))}
    assert (counters.writer_calls, counters.writer_failures) == (2, 1)
    assert (counters.writer_tokens_in, counters.writer_tokens_out, counters.writer_cost) == (12, 3, row.cost)


async def test_what_nobody_pays_for_is_counted_for_nobody(make, store, writer):
    writer.answers = [Written("free", 0, 0), Written("nobody's", 7, 3)]
    await make().ask(writer, [ask("a", account="p"), ask("b", account=None)])
    assert (spent(store), usage(store).calls) == ({}, 2)


async def test_what_the_ledger_has_is_a_hit_and_no_call_whether_it_is_a_text_or_a_failure(make, store, writer):
    calls, counters = make(), Counters()
    writer.answers = [Written("one", 7, 3), WriteFailure("rejected twice", False, lasting=True, tokens_in=9)]
    for entry in await calls.ask(writer, [ask("a"), ask("b")]):
        keep(store, entry)
    found = await make(counters).ask(writer, [ask("a"), ask("b")])
    assert [(one.output, one.failure) for one in found] == [("one", None), ("", "rejected twice")]
    assert (writer.calls, counters.ledger_hits, counters.writer_calls) == (1, 2, 0)
    row = usage(store)
    assert (row.calls, row.failures, row.hits, row.tokens_in) == (2, 1, 2, 16)


async def test_a_failure_that_may_pass_is_never_kept(make, writer):
    writer.answers = [BUSY, WriteFailure("401", False), Written("at last")]
    calls = make()
    told = [(await calls.ask(writer, [ask("a")]))[0] for _ in range(3)]
    assert [isinstance(one, Entry) for one in told] == [False, False, True]
    assert writer.calls == 3


async def test_equal_texts_asked_for_at_the_same_time_are_one_call(make, store, writer):
    calls, counters = make(), Counters()
    calls._counters = counters
    writer.gate.clear()
    first = asyncio.create_task(calls.ask(writer, [ask("a"), ask("a", account="q")]))
    await writer.entered.wait()
    second = asyncio.create_task(calls.ask(writer, [ask("a"), ask("b")]))
    await until(lambda: len(writer.asked) == 2)
    writer.gate.set()
    (one, same), (again, other) = await first, await second
    assert one is same is again is not other
    assert writer.asked == ["a", "b"]
    assert (counters.writer_calls, counters.ledger_hits, usage(store).hits) == (2, 2, 2)


async def test_a_text_that_still_waits_to_be_written_down_is_not_paid_again(make, writer):
    calls = make()
    (first,) = await calls.ask(writer, [ask("a")])
    (second,) = await calls.ask(writer, [ask("a")])
    assert (second is first, writer.calls) == (True, 1)
    del first, second
    (third,) = await calls.ask(writer, [ask("a")])
    assert (third.output, writer.calls) == ("text 2", 2), "what nobody holds is in the ledger, or forgotten"


async def test_other_models_prompts_and_parameters_are_other_calls(make, writer):
    calls, keys = make(), set()
    for name in (None, "engine", "model", "prompt_version", "parameters"):
        standing = None if name is None else getattr(writer, name)
        if name is not None:
            setattr(writer, name, "other")
        (entry,) = await calls.ask(writer, [ask("a")])
        assert entry.ledger_key == call_key(writer, "a")
        keys.add(entry.ledger_key)
        if name is not None:
            setattr(writer, name, standing)
    assert (len(keys), writer.calls) == (5, 5)


async def test_a_spent_budget_is_told_without_a_call_until_the_next_day(make, store, writer, clock):
    counters = Counters()
    calls = make(counters, budgets=Budgets(cost_day=0.02))
    for given in "ab":  # the second is begun below the budget
        assert isinstance((await calls.ask(writer, [ask(given)]))[0], Entry)
    (refused,) = await calls.ask(writer, [ask("c")])
    assert refused == over("the budget of the day is spent (0.03 of 0.02)")
    assert (writer.calls, counters.writer_over_budget, counters.writer_failures, usage(store).calls) == (2, 1, 0, 2)
    clock.now += 86_400
    assert isinstance((await calls.ask(writer, [ask("c")]))[0], Entry)


async def test_a_key_has_a_budget_of_its_own_and_a_new_process_knows_what_is_spent(make, writer):
    budgets = Budgets(tokens_key=10)
    await make(budgets=budgets).ask(writer, [ask("a"), ask("b", account="q")])
    calls = make(budgets=budgets)
    made = await calls.ask(writer, [ask("c"), ask("d", account="r"), ask("e", account=None)])
    assert made[0] == over("the product's tokens of the day are spent (10 of 10)")
    assert [one.output for one in made[1:]] == ["text 3", "text 4"]


async def test_what_the_ledger_has_is_given_though_the_budget_is_spent(make, store, writer):
    (entry,) = await make().ask(writer, [ask("a")])
    keep(store, entry)
    (found,) = await make(budgets=Budgets(cost_day=0.0, tokens_day=0)).ask(writer, [ask("a")])
    assert found.output == "text 1"


async def test_what_costs_nothing_or_runs_here_goes_on_though_the_budget_is_spent(make, writer):
    free, here = FakeWriter(endpoint="local"), FakeWriter()
    free.model, here.model = "free", "m1"
    calls = make(budgets=Budgets(cost_day=0.0))
    assert isinstance((await calls.ask(writer, [ask("a")]))[0], WriteFailure)
    assert [(await calls.ask(one, [ask("a")]))[0].output for one in (free, here)] == ["text 1", "text 1"]


async def test_agents_share_a_budget(make, writer):
    asked = []

    def theirs(day, keys):
        asked.append((day, set(keys)))
        return Books(Spent(cost=0.5), {key: Spent(tokens=4) for key in keys})

    calls = make(budgets=Budgets(cost_day=0.51, tokens_key=14), others=[theirs])
    assert isinstance((await calls.ask(writer, [ask("a")]))[0], Entry)
    (refused,) = await calls.ask(writer, [ask("b", account="q")])
    assert refused.error == "the budget of the day is spent (0.51 of 0.51)"
    assert asked == [(TODAY, {"p"}), (TODAY, {"q"})]
    (refused,) = await make(budgets=Budgets(tokens_key=14), others=[theirs]).ask(writer, [ask("b")])
    assert refused.error == "the product's tokens of the day are spent (14 of 14)"


async def test_an_endpoint_that_fails_in_a_row_is_left_alone_and_then_tried_by_one_call(make, store, writer, clock):
    counters = Counters()
    calls = make(counters, breaker_failures=2, breaker_s=30.0)
    writer.answers = [BUSY, BUSY]
    for given in "ab":
        await calls.ask(writer, [ask(given)])
    clock.now += 10
    (held,) = await calls.ask(writer, [ask("c")])
    assert (held.retryable, held.endpoint, held.asked, held.retry_after_s) == (True, True, False, 20.0)
    assert writer.calls == 2
    assert (counters.circuits_opened, counters.writer_failures, usage(store).calls) == (1, 2, 2)
    assert calls.circuits.open() == {"https://models.example": START_S + 30}
    clock.now += 20
    writer.gate.clear()
    trying = asyncio.create_task(calls.ask(writer, [ask("d")]))
    await until(lambda: writer.calls == 3)
    (held,) = await calls.ask(writer, [ask("e")])
    assert held.retry_after_s == 3.0, "the one that tries may be back soon"
    writer.gate.set()
    assert [one.output for one in await trying] == ["text 3"]
    assert (calls.circuits.open(), (await calls.ask(writer, [ask("e")]))[0].output) == ({}, "text 4")


@pytest.mark.parametrize("between", [Written("fine"), WriteFailure("400 refused", False), WriteFailure("429", True)])
async def test_only_failures_of_the_endpoint_in_a_row_count(make, writer, between):
    writer.answers = [BUSY, between, BUSY, between]
    calls = make(breaker_failures=2)
    for given in "abcd":
        await calls.ask(writer, [ask(given)])
    assert (writer.calls, calls.circuits.open()) == (4, {})


UNASKED = WriteFailure("no turn", retryable=True, asked=False)
CUT_SHORT = WriteFailure("no answer within 0.2 s", retryable=True, tokens_in=9)


@pytest.mark.parametrize("between", [UNASKED, Written(""), CUT_SHORT])
async def test_what_never_reached_an_endpoint_or_was_cut_short_does_not_show_that_it_works(make, writer, between):
    writer.answers = [BUSY, between, BUSY]
    calls = make(breaker_failures=2)
    for given in "abc":
        await calls.ask(writer, [ask(given)])
    assert (writer.calls, list(calls.circuits.open())) == (3, [writer.endpoint])


async def test_failures_that_never_reached_an_endpoint_do_not_open_its_circuit(make, writer):
    writer.answers = [dataclasses.replace(BUSY, asked=False)] * 3
    calls = make(breaker_failures=1)
    for given in "abc":
        await calls.ask(writer, [ask(given)])
    assert (writer.calls, calls.circuits.open()) == (3, {})


@pytest.mark.parametrize("missed", [UNASKED, Written("")])
async def test_a_try_that_never_reached_the_endpoint_leaves_the_circuit_open_and_the_next_may_try(
    make, writer, clock, missed
):
    writer.answers = [BUSY, missed, BUSY]
    calls = make(breaker_failures=1, breaker_s=30.0)
    await calls.ask(writer, [ask("a")])
    clock.now += 30
    await calls.ask(writer, [ask("b")])
    assert list(calls.circuits.open()) == [writer.endpoint]
    await calls.ask(writer, [ask("c")])
    assert (writer.calls, calls.circuits.open()) == (3, {writer.endpoint: clock.now + 30})


async def test_what_runs_here_is_never_left_alone(make):
    here = FakeWriter(*[BUSY] * 3)
    calls = make(breaker_failures=1)
    for given in "abc":
        await calls.ask(here, [ask(given)])
    assert here.calls == 3


async def test_a_model_is_told_how_long_it_may_take_and_what_it_spent_in_vain_is_counted(store, clock):
    given, counters = [], Counters()

    async def gives_up(model, requests, patience_s):
        given.append(patience_s)
        await asyncio.sleep(patience_s)
        return [WriteFailure("no answer in time", retryable=True, tokens_in=9)] * len(requests)

    calls = Calls(store, gives_up, terms=Terms(prices=PRICES), counters=counters, now=clock)
    (failure,) = await calls.ask(FakeWriter(endpoint="there"), [ask("a")], patience_s=0.5)
    assert failure == WriteFailure("no answer in time", retryable=True, tokens_in=9)
    assert 0 < given[0] < 0.5
    row = usage(store)
    assert (row.calls, row.failures, row.tokens_in, row.cost) == (1, 1, 9, pytest.approx(0.009))
    assert (counters.writer_tokens_in, spent(store)) == (9, {"p": (9, pytest.approx(0.009))})


async def test_without_a_deadline_a_model_is_told_none(store, clock):
    given = []

    async def write(model, requests, patience_s):
        given.append(patience_s)
        return [Written("text")]

    await Calls(store, write, terms=Terms(), counters=Counters(), now=clock).ask(FakeWriter(), [ask("a")])
    assert given == [None]


async def test_a_call_that_outlives_its_patience_is_given_up_and_counted_and_says_nothing_of_the_endpoint(
    make, store, writer
):
    writer.gate.clear()
    counters = Counters()
    calls = make(counters, breaker_failures=1)
    (failure,) = await calls.ask(writer, [ask("a")], patience_s=0.2)
    assert failure == WriteFailure("no answer within 0.2 s", retryable=True)
    assert (counters.writer_failures, usage(store).calls, usage(store).failures) == (1, 1, 1)
    assert calls.circuits.open() == {}


async def test_time_that_is_lost_in_this_process_is_no_call_and_no_failure_of_the_endpoint(make, store, writer):
    calls, counters, held = make(breaker_failures=1), Counters(), asyncio.Event()
    calls._counters, look = counters, store.run

    async def slow(function):
        await held.wait()
        return await look(function)

    calls._store = type("Slow", (), {"run": staticmethod(slow)})
    (failure,) = await calls.ask(writer, [ask("a")], patience_s=0.05)
    assert failure == WriteFailure("no answer within 0.1 s", retryable=True, asked=False)
    assert (writer.calls, counters.writer_calls, counters.writer_failures, calls.circuits.open()) == (0, 0, 0, {})


async def test_a_call_that_somebody_still_waits_for_is_not_given_up(make, store, writer):
    writer.gate.clear()
    calls = make()
    patient = asyncio.create_task(calls.ask(writer, [ask("a")]))
    await writer.entered.wait()
    (failure,) = await calls.ask(writer, [ask("a")], patience_s=0.05)
    writer.gate.set()
    (entry,) = await patient
    assert (failure.retryable, entry.output, writer.calls) == (True, "text 1", 1)
    row = usage(store)
    assert (row.calls, row.failures) == (1, 0)


class Exchanged(FakeWriter):
    """A writer whose model is exchanged during its calls; it tells who really spoke."""

    async def write(self, requests):
        answers = await super().write(requests)
        self.model = "m2"
        return answers


async def test_a_text_is_filed_under_the_model_that_said_it_though_that_came_during_the_call(make, store):
    writer = Exchanged(Written("one", 7, 3, model="m2"), endpoint="there")
    calls = make(prices=Prices.parse("m1=1000/2000, m2=1/1"))
    (entry,) = await calls.ask(writer, [ask("a")])
    assert (entry.model, entry.ledger_key) == ("m2", call_key(writer, "a"))
    row = usage(store)
    assert (row.model, row.cost, entry.cost) == ("m2", pytest.approx(0.00001), pytest.approx(0.00001))
    (again,) = await calls.ask(writer, [ask("a")])
    assert (again is entry, writer.calls) == (True, 1), "whoever asks the new one finds it"


@pytest.mark.parametrize("said_by", [None, "m1"])
async def test_a_text_is_filed_under_the_model_that_said_it_though_another_came_meanwhile(make, store, said_by):
    writer = Exchanged(Written("one", 7, 3, model=said_by), endpoint="there")
    asked_for = call_key(writer, "a")
    (entry,) = await make().ask(writer, [ask("a")])
    assert (entry.model, entry.ledger_key, usage(store).model) == ("m1", asked_for, "m1")
    assert call_key(writer, "a") != asked_for


async def test_texts_of_one_call_by_two_models_are_filed_and_counted_apart(make, store):
    writer = Exchanged(Written("one", 7, 3, model="m1"), Written("two", 5, 1, model="m2"), endpoint="there")
    made = await make().ask(writer, [ask("a"), ask("b")])
    assert [(entry.output, entry.model) for entry in made] == [("one", "m1"), ("two", "m2")]
    with store.read() as connection:
        rows = {row.model: (row.calls, row.tokens_in) for row in usage_since(connection, TODAY)}
    assert rows == {"m1": (1, 7), "m2": (1, 5)}


async def test_a_failure_for_ever_is_kept_only_if_it_is_known_whose_it_is(make):
    rejected = WriteFailure("rejected twice", retryable=False, lasting=True, tokens_in=9)
    writer = Exchanged(rejected, endpoint="there")
    calls = make()
    (failure,) = await calls.ask(writer, [ask("a")])
    assert failure == dataclasses.replace(rejected, lasting=False, retryable=True)
    writer.answers = [rejected]
    (entry,) = await calls.ask(writer, [ask("a")])
    assert (entry.failure, entry.model) == ("rejected twice", "m2")


async def test_texts_and_reasons_are_kept_without_what_a_database_refuses(make, store, writer):
    writer.answers = [
        Written("a\x00b\ud800", said="\x00\udfff"),
        WriteFailure("x\x00" + "y" * 9_999, False, lasting=True),
    ]
    made = await make().ask(writer, [ask("a"), ask("b")])
    assert (made[0].output, made[0].said, made[1].failure) == ("ab?", "?", "x" + "y" * 399)
    for entry in made:
        keep(store, dataclasses.replace(entry, subject="p"))
