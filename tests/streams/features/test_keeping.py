"""Beside the stream: definitions change without a gap, and what nobody can read or correct any more goes."""

import pytest

from infra.rows import feature_log_rows, feature_rows
from processors.features import Count, Events, FeatureTable, Last, Max, Sum
from schemas.feature_tables import feature_log, feature_members
from streams.featurizing import filling
from streams.featurizing.definitions import Superseded, described
from tests.streams.fakes import START_S
from tests.streams.feature_world import Worker, begin, event, live, outputs, read, sent
from tests.streams.index_worker import rows

DAY_S = 86_400
ONE = FeatureTable("sales", "customer", Events("sale"), {"spent": Sum("price")}, windows=("1h",))
TWO = FeatureTable("sales", "customer", Events("sale"), {"spent": Sum("price"), "most": Max("price")})


@pytest.fixture
def worker(store):
    begin(store)
    return Worker(store, [ONE])


def test_the_old_definition_stays_as_it_was_until_nothing_is_missing_in_the_new_one(worker, monkeypatch):
    monkeypatch.setattr(filling, "PAGE", 2)
    store = worker.store
    worker.apply(*(sent(number, event(f"e{number}", price=1 + number)) for number in range(5)))
    before = read(store, ONE)
    changed = Worker(store, [TWO], worker.clock)
    changed.keeping.step()
    changed.apply(sent(5, event("e1", price=50, revision=1)), sent(6, event("e5", price=7)))
    assert live(store, "sales").version == ONE.version
    assert read(store, ONE) == before
    changed.keep()
    assert live(store, "sales").version == TWO.version
    assert read(store, TWO) == {"spent": 1.0 + 50 + 3 + 4 + 5 + 7, "most": 50.0}
    assert {one["version"] for one in rows(store, feature_members)} == {TWO.version}
    newest = outputs(store)[-1]
    assert (newest.version, newest.values, newest.sources) == (
        TWO.version,
        read(store, TWO),
        {"events": {"0": 7, "1": 0}},
    )


def test_a_worker_with_older_definitions_ends_instead_of_leaving_gaps(worker):
    worker.apply(sent(0, event("e0", price=1)))
    Worker(worker.store, [TWO], worker.clock)
    with pytest.raises(Superseded, match="another worker of featurize has other definitions"):
        worker.apply(sent(1, event("e1", price=1)))


def test_events_that_a_new_function_fails_on_are_left_out_and_counted(worker):
    worker.apply(sent(0, event("e0", price=0.0)), sent(1, event("e1", price=4.0)))
    halves = FeatureTable("sales", "customer", Events("sale"), {"by": Sum(lambda row: 1 / row["price"])})
    changed = Worker(worker.store, [halves], worker.clock)
    changed.keep()
    told = described(live(worker.store, "sales"))
    assert (told.skipped, read(worker.store, halves)) == (1, {"by": 0.25})
    assert "ZeroDivisionError" in told.fault and "e0" in told.fault


def test_a_table_that_nobody_defines_any_more_goes_and_is_told_as_gone(worker):
    worker.apply(sent(0, event("e0", price=1)))
    other = FeatureTable("others", "customer", Events("sale"), {"n": Count()})
    Worker(worker.store, [other], worker.clock).keep()
    told = [(one.table, one.op) for one in outputs(worker.store)]
    assert sorted(told) == [("others", "upsert"), ("sales", "delete"), ("sales", "upsert")]
    assert {one["version"] for one in rows(worker.store, feature_rows.feature_rows)} == {other.version}


def test_a_row_of_which_nothing_is_left_goes_when_events_have_moved_on(worker):
    worker.apply(sent(0, event("e0", "gone", price=1)))
    worker.clock.now += 3 * 3_600
    worker.keep()
    assert not read(worker.store, ONE, "gone").get("missing")  # no event says that time has passed
    worker.apply(sent(1, event("e1", price=1, at_s=3 * 3_600), at_s=3 * 3_600))
    worker.clock.now += 3_600
    worker.keep()
    assert read(worker.store, ONE, "gone")["missing"]
    assert [(one.key, one.op) for one in outputs(worker.store)][-1] == ("gone", "delete")


def test_events_are_forgotten_when_they_can_be_corrected_no_more_and_what_they_added_stays(store):
    begin(store)
    kept = FeatureTable("sales", "customer", Events("sale"), {"n": Count(), "last": Last("price")}, keep_days=10)
    worker = Worker(store, [kept])
    worker.apply(sent(0, event("e0", price=1)))
    for offset, day in enumerate((11, 12), 1):
        worker.clock.now = START_S + day * DAY_S
        worker.apply(sent(offset, event(f"e{day}", price=day, at_s=day * DAY_S), at_s=day * DAY_S))
        worker.keep()
    assert {one["record_id"] for one in rows(store, feature_log)} == {"e11", "e12"}
    assert {one["record_id"] for one in rows(store, feature_members)} == {"e11", "e12"}
    assert read(store, kept, at_s=13 * DAY_S) == {"n": 3, "last": 12.0}


def test_the_newest_change_is_never_forgotten_so_that_numbers_go_on(worker):
    worker.apply(sent(0, event("e0", price=1)), sent(1, event("e1", price=1)))
    with worker.store.write() as connection:
        assert feature_log_rows.forget_events(connection, 2**62, 100) == 1
        assert feature_log_rows.newest_number(connection) == 2


def once(meanwhile, decide):
    """Let something happen between a decision and its being written, the first time."""
    left = [meanwhile]

    def decided(*arguments):
        decision = decide(*arguments)
        if left:
            left.pop()()
        return decision

    return decided


@pytest.mark.parametrize("first", ["page", "stream"])
def test_an_event_that_is_corrected_while_a_page_is_worked_out_is_added_once(worker, second_store, monkeypatch, first):
    worker.apply(sent(0, event("e0", price=1)))
    filler, stream = (Worker(store, [TWO], worker.clock) for store in (worker.store, second_store))
    correction = sent(1, event("e0", "other", price=5, revision=1))
    if first == "stream":
        target, name, meanwhile = filler.keeping._filling, "_decide", lambda: stream.apply(correction)
    else:
        target, name, meanwhile = stream.handler, "decide", filler.keeping.step
    monkeypatch.setattr(target, name, once(meanwhile, getattr(target, name)))
    if first == "page":
        stream.apply(correction)
    filler.keep()
    assert read(worker.store, TWO).get("missing")
    assert read(worker.store, TWO, "other") == {"spent": 5.0, "most": 5.0}
    assert [(one["record_id"], one["key"]) for one in rows(worker.store, feature_members)] == [("e0", "other")]
