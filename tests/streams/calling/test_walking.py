import pytest

from models.ports import WriteFailure, Written
from processors.calls.budgets import Budgets
from processors.calls.prices import Prices
from schemas.heartbeats import Counters
from streams.calling.accounts import Terms
from streams.calling.asks import Ask
from streams.calling.calls import Calls
from streams.calling.walking import Text, Unwritten, write_all
from streams.work import Failed
from tests.streams.fakes import Clock, FakeWriter, chain_of

BUSY = WriteFailure("503", retryable=True, retry_after_s=9.0, endpoint=True)
UNASKED = WriteFailure("no turn", retryable=True, asked=False)
REFUSED = WriteFailure("400 refused", retryable=False)
REJECTED = WriteFailure("rejected twice", retryable=False, lasting=True, tokens_in=5)


@pytest.fixture
async def first():
    return FakeWriter(engine="first", endpoint="one")


@pytest.fixture
async def second():
    return FakeWriter(engine="second", endpoint="two")


@pytest.fixture
async def last():
    return FakeWriter(engine="last")


@pytest.fixture
def calls(store):
    def made(**terms) -> Calls:
        return Calls(
            store,
            lambda model, requests, _: model.write(requests),
            terms=Terms(**terms),
            counters=Counters(),
            now=Clock(),
        )

    return made


def asks(*given: str) -> list[Ask]:
    return [Ask(subject=one, key=one, account=one, given=one, request=one) for one in given]


async def written(calls, chain, given: str = "a") -> Text | Unwritten:
    (one,) = await write_all(calls, chain, asks(given))
    return one


async def test_who_is_asked_first_writes_and_nobody_stands_in(calls, first, last):
    text = await written(calls(), chain_of(first, last))
    assert (text.entry.output, text.failures, text.instead_of, text.because) == ("text 1", (), None, None)
    assert last.calls == 0


@pytest.mark.parametrize("failure", [REFUSED, REJECTED])
async def test_when_the_first_never_will_the_last_writes_and_says_for_whom_and_why(calls, first, last, failure):
    first.answers = [failure]
    text = await written(calls(), chain_of(first, last))
    assert (text.entry.engine, text.instead_of, text.because) == ("last", "first:m1", failure.error)
    assert [one.failure for one in text.failures] == ([failure.error] if failure.lasting else [])


async def test_when_the_first_may_later_the_text_waits_and_the_last_is_not_asked(calls, first, last):
    first.answers = [BUSY]
    assert await written(calls(), chain_of(first, last)) == Unwritten(Failed("503", 9.0))
    assert last.calls == 0


async def test_when_the_first_may_later_one_that_was_named_writes_now(calls, first, second, last):
    first.answers = [BUSY]
    text = await written(calls(), chain_of(first, last, second))
    assert (text.entry.engine, text.instead_of, text.because) == ("second", "first:m1", "503")


@pytest.mark.parametrize(
    ("one", "other", "failed"),
    [
        (BUSY, WriteFailure("429", True, 4.0), Failed("503", 4.0)),
        (BUSY, WriteFailure("timeout", True), Failed("503", None)),
        (REJECTED, BUSY, Failed("503", 9.0)),
        (BUSY, REJECTED, Failed("503", 9.0)),
        (UNASKED, BUSY, Failed("no turn", None)),
        (UNASKED, UNASKED, Failed("no turn", None, asked=False)),
        (REJECTED, UNASKED, Failed("no turn", None, asked=False)),
    ],
)
async def test_while_anybody_may_later_the_text_waits_for_the_first_who_may(
    calls, first, second, last, one, other, failed
):
    first.answers, second.answers = [one], [other]
    waiting = await written(calls(), chain_of(first, last, second))
    assert waiting.failed == failed
    assert [entry.failure for entry in waiting.failures] == (["rejected twice"] if REJECTED in (one, other) else [])
    assert last.calls == 0


async def test_when_nobody_ever_will_all_reasons_are_told(calls, first, second, last):
    first.answers, second.answers = [REFUSED], [REJECTED]
    text = await written(calls(), chain_of(first, last, second))
    assert (text.entry.engine, text.because) == ("last", "400 refused; rejected twice")


async def test_a_spent_budget_goes_down_the_chain_at_once(calls, first, second, last):
    terms = {"prices": Prices.parse("m1=1/1"), "budgets": Budgets(cost_day=0.0)}
    text = await written(calls(**terms), chain_of(first, last, second))
    assert (text.entry.engine, first.calls, second.calls, text.over_budget) == ("last", 0, 0, True)
    assert text.because == "the budget of the day is spent (0.00 of 0.00)"
    second.model = "free"
    text = await written(calls(**terms), chain_of(first, last, second), "b")
    assert (text.entry.engine, text.over_budget) == ("second", True)


async def test_a_budget_that_holds_back_one_who_stands_in_is_not_why_the_first_did_not_write(
    calls, first, second, last
):
    first.model, first.answers = "free", [REFUSED]
    made = calls(prices=Prices.parse("m1=1/1"), budgets=Budgets(cost_day=0.0))
    text = await written(made, chain_of(first, last, second))
    assert (text.entry.engine, second.calls, text.over_budget) == ("last", 0, False)


async def test_while_the_circuit_is_open_texts_wait_or_are_written_by_one_that_was_named(calls, first, second, last):
    made, first.answers = calls(breaker_failures=1, breaker_s=30.0), [BUSY]
    await written(made, chain_of(first, last))
    waiting = await written(made, chain_of(first, last), "b")
    assert (waiting.failed.retry_after_s, waiting.failed.asked, first.calls, last.calls) == (30.0, False, 1, 0)
    assert (await written(made, chain_of(first, last, second), "b")).entry.engine == "second"


async def test_the_last_ones_failure_leaves_the_text_to_be_tried_again(calls, first, last):
    first.answers, last.answers = [REFUSED], [WriteFailure("a bug", False)]
    assert (await written(calls(), chain_of(first, last))).failed == Failed("a bug", None)


async def test_texts_for_the_same_model_go_there_together_and_come_back_in_order(calls, first, last):
    first.answers = [Written("one"), REFUSED, Written("three"), REFUSED]
    texts = await write_all(calls(), chain_of(first, last), asks(*"abcd"))
    assert [text.entry.output for text in texts] == ["one", "text 1", "three", "text 2"]
    assert (first.calls, last.calls, last.asked) == (1, 1, ["b", "d"])


async def test_a_split_is_sticky_and_each_half_falls_back_alike(calls, first, second, last):
    chain = chain_of(first, last, other=(second, 0.25))
    keys = [f"p{number}" for number in range(400)]
    routes = {key: chain.route(key) for key in keys}
    assert all(chain.route(key) == route for key, route in routes.items())
    assert {route[1:] for route in routes.values()} == {(last,)}
    # Four standard deviations of a share of a quarter of 400.
    assert sum(route[0] is second for route in routes.values()) == pytest.approx(100, abs=35)
    theirs = next(key for key, route in routes.items() if route[0] is second)
    second.answers = [REFUSED]
    text = await written(calls(), chain, theirs)
    assert (text.instead_of, text.entry.engine, first.calls) == ("second:m1", "last", 0)


def test_nobody_is_asked_twice_nor_after_who_cannot_fail():
    one, two, last = object(), object(), object()
    assert chain_of(one, last, one, two, two).route("k") == (one, two, last)
    assert chain_of(one, last, last, two).route("k") == (one, last)
    assert chain_of(last, last, two).route("k") == (last,)


async def test_two_prompts_of_one_model_can_share_and_a_new_version_moves_no_key(first, second, last):
    second.engine, second.prompt_version = first.engine, "v2"
    chain, keys = chain_of(first, last, other=(second, 0.5)), [f"p{number}" for number in range(50)]
    before = [chain.first(key).prompt_version for key in keys]
    assert set(before) == {"v1", "v2"}
    second.prompt_version = "v3"
    assert [chain.first(key).prompt_version for key in keys] == [one.replace("v2", "v3") for one in before]
