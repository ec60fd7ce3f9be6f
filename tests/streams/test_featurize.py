"""Each event changes the rows of the tables that use it once, whatever its order, and can be taken back."""

import pytest

from infra.rows.feature_log_rows import iterate_log
from processors.features import Count, Distinct, Events, FeatureTable, Last, Max, Reviews, Sum
from tests.streams.fakes import review
from tests.streams.feature_world import REVIEWS, Worker, begin, event, letters, outputs, read, sent

SALES = FeatureTable(
    "sales",
    "customer",
    Events("sale"),
    {"sales": Count(), "spent": Sum("price"), "most": Max("price"), "last": Last("price"), "shops": Distinct("shop")},
    windows=("1h", "all"),
)
RATED = FeatureTable("rated", "product_id", Reviews(), {"reviews": Count(), "stars": Sum("rating")})


@pytest.fixture
def worker(store):
    begin(store)
    return Worker(store, [SALES, RATED])


def test_an_event_is_added_and_its_row_published(worker):
    worker.apply(sent(0, event("e1", price=3, shop="a")), sent(1, event("e2", price=4, at_s=1)))
    told = read(worker.store, SALES)
    assert (told["sales"], told["spent_1h"], told["most"], told["last"], told["shops"]) == (2, 7.0, 4.0, 4.0, 1)
    (output,) = outputs(worker.store)
    assert (output.table, output.key, output.op, output.version) == ("sales", "c", "upsert", SALES.version)
    assert output.values == told and output.sources == {"events": {"0": 2}}
    assert output.as_of == "2024-06-01T00:00:01.000000+00:00"


def test_a_duplicate_changes_nothing(worker):
    worker.apply(sent(0, event("e1", price=3)))
    worker.apply(sent(0, event("e1", price=3), partition=1), sent(1, event("e1", price=9), partition=1))
    assert read(worker.store, SALES)["spent"] == 3.0
    assert len(outputs(worker.store)) == 1


@pytest.mark.parametrize("runs", [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[0, 1], [2, 3]]])
def test_a_correction_takes_the_old_values_back(worker, runs):
    records = [
        sent(0, event("e1", price=30)),
        sent(1, event("e2", price=3)),
        sent(2, event("e1", price=1, revision=1)),
        sent(3, event("e1", customer="other", price=2, revision=2)),
    ]
    for places in runs:
        worker.apply(*(records[place] for place in places))
    told, other = read(worker.store, SALES), read(worker.store, SALES, "other")
    assert (told["spent"], told["most"], told["sales"]) == (3.0, 3.0, 1)
    assert (other["spent"], other["most"], other["sales"]) == (2.0, 2.0, 1)


def test_a_deletion_leaves_a_tombstone_that_an_older_revision_cannot_raise(worker):
    worker.apply(sent(0, event("e1", price=30, revision=3)), sent(1, event("e2", price=1)))
    worker.apply(sent(2, event("e1", op="delete", revision=4)))
    worker.apply(sent(0, event("e1", price=30, revision=3), partition=1))
    assert read(worker.store, SALES)["spent"] == 1.0
    worker.apply(sent(1, event("e9", op="delete"), partition=1), sent(2, event("e9", price=7), partition=1))
    assert read(worker.store, SALES)["spent"] == 1.0


def test_a_key_of_which_nothing_is_left_is_published_as_gone_and_goes_on_when_it_comes_back(worker):
    worker.apply(sent(0, event("e1", price=30)))
    (made,) = outputs(worker.store)
    worker.clock.now += 60
    worker.apply(sent(1, event("e1", op="delete")))
    assert read(worker.store, SALES)["missing"]
    worker.clock.now += 60
    worker.apply(sent(2, event("e2", price=1)))
    *_, gone, again = outputs(worker.store)
    assert (gone.op, gone.values, again.op) == ("delete", {}, "upsert")
    assert made.revision < gone.revision < again.revision


def test_what_waits_unpublished_does_not_tell_what_was_taken_back(worker):
    worker.apply(sent(0, event("e1", price=30)), sent(1, event("e2", price=1)))
    worker.apply(sent(2, event("e1", op="delete")))
    assert [one.values["most"] for one in outputs(worker.store)] == [1.0, 1.0]


def test_late_events_land_where_they_happened(worker):
    worker.apply(sent(0, event("e1", price=1, at_s=0)), sent(1, event("e2", price=2, at_s=-7200)))
    told = read(worker.store, SALES, at_s=1)
    assert (told["spent_1h"], told["spent"], told["last"]) == (1.0, 3.0, 1.0)


def test_a_date_beyond_the_limits_is_a_dead_letter(worker):
    worker.apply(sent(0, event("e1", price=1, at_s=90_000)), sent(1, event("e2", price=2)))
    (letter,) = letters(worker.store)
    assert (letter.reason, letter.field, letter.source.offset) == ("date_out_of_range", "occurred_at", 0)
    assert read(worker.store, SALES)["spent"] == 2.0


def test_an_event_that_a_function_fails_on_is_a_dead_letter_and_changes_no_table(store):
    begin(store)
    halves = FeatureTable("halves", "customer", Events("sale"), {"halves": Sum(lambda row: row["price"] / row["by"])})
    worker = Worker(store, [SALES, halves])
    worker.apply(sent(0, event("e1", price=1, by=0.0)), sent(1, event("e2", price=2, by=4.0)))
    (letter,) = letters(store)
    assert (letter.reason, letter.field) == ("expression_failed", "halves.sum")
    assert "ZeroDivisionError" in letter.error
    assert (read(store, SALES)["spent"], read(store, halves)["halves"]) == (2.0, 0.5)
    worker.apply(sent(2, event("e1", price=1, by=1.0)))
    assert (read(store, SALES)["spent"], read(store, halves)["halves"]) == (3.0, 1.5)


def test_a_correction_that_a_function_fails_on_leaves_what_stood(worker):
    worker.apply(sent(0, event("e1", price=1)))
    worker.apply(sent(1, event("e1", price="dear", revision=1)))
    assert [one.field for one in letters(worker.store)] == ["sales.price"]
    assert read(worker.store, SALES)["spent"] == 1.0


def test_reviews_are_events_too(worker):
    worker.apply(*(sent(number, review(number), topic=REVIEWS) for number in range(3)))
    worker.apply(sent(3, {"product_id": "p", "review_id": "r1", "op": "delete", "revision": 1}, topic=REVIEWS))
    assert read(worker.store, RATED, "p") == {"reviews": 2, "stars": 4.0}


def test_a_first_revision_that_comes_late_does_not_count_beside_a_later_one_that_no_table_uses(worker):
    worker.apply(sent(0, event("e1", kind="return", revision=1)), sent(1, event("e1", price=5)))
    assert read(worker.store, SALES)["missing"]


def test_another_worker_that_was_first_is_noticed(worker, second_store):
    other = Worker(second_store, [SALES, RATED])
    worker.apply(sent(0, event("e1", price=1)))
    other.apply(sent(0, event("e2", price=2), partition=1))
    worker.apply(sent(1, event("e3", price=4)))
    other.apply(sent(1, event("e1", price=8, revision=1), partition=1))
    worker.apply(sent(2, event("e1", op="delete", revision=2)))
    assert (read(worker.store, SALES)["spent"], read(worker.store, SALES)["most"]) == (6.0, 4.0)


def test_nothing_is_kept_of_topics_no_table_uses(store):
    begin(store)
    worker = Worker(store, [RATED])
    worker.apply(sent(0, event("e1", price=1)))
    assert outputs(store) == []
    with store.read() as connection:
        assert list(iterate_log(connection)) == []
