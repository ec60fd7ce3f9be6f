"""Erasing a review reaches the events that features rest on, and what is published of them."""

from infra.rows import feature_rows
from processors.features import Count, FeatureTable, Last, Reviews
from streams.cli.erasing.review_traces import Census, find_words, take_census
from streams.cli.erasing.sought import Sought, Wording
from tests.streams.fakes import review
from tests.streams.feature_world import REVIEWS, Worker, begin, outputs, sent

SAID = "The left buckle sang quietly at midnight."
TOLD = FeatureTable("told", "product_id", Reviews(), {"reviews": Count(), "latest": Last("text")})


def census_of(store) -> Census:
    census = Census()
    with store.read() as connection:
        take_census(connection, "featurize", Sought("p", "r1"), census)
    return census


def words_in(store) -> int:
    with store.read() as connection:
        found = find_words(connection, "featurize", Sought("p", "r1", wording=Wording([SAID])))
        state = feature_rows.load_rows(connection, TOLD.version, ["p"])["p"].state
    assert (SAID.encode() in state) == (found["feature_rows"] > 0)
    return found.total()


def test_a_deleted_review_leaves_a_tombstone_and_none_of_its_words(store):
    begin(store)
    worker = Worker(store, [TOLD])
    worker.apply(sent(0, review(0), topic=REVIEWS), sent(1, review(1, text=SAID), topic=REVIEWS))
    assert [one.where for one in census_of(store).traces] == ["feature_log"]
    assert words_in(store) > 0
    worker.apply(sent(2, {"product_id": "p", "review_id": "r1", "op": "delete", "revision": 1}, topic=REVIEWS))
    census = census_of(store)
    assert (census.traces, [one.where for one in census.kept]) == (set(), ["tombstones"])
    assert words_in(store) == 0
    assert all(SAID not in str(one.values) for one in outputs(store))
