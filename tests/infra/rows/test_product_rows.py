import dataclasses

import pytest

from infra.fences import Moved
from infra.rows import product_rows, review_rows
from infra.rows.product_rows import CHUNK, ProductChange
from infra.rows.review_rows import ReviewRow, Tombstone


def change(product_id: str = "p", version: int = 0, base: int = 0, emptied: bool = False, **parts: bytes):
    parts = parts or {"head": b"h"}
    return ProductChange(product_id, version, 4, 9, b"{}", 20, base, b"{}", parts, emptied)


def review(number: int, product_id: str = "p") -> ReviewRow:
    return ReviewRow(product_id, f"r{number}", number, 2, b"{}", 1.5, f"trace{number}".encode())


def write(store, *changes: ProductChange, reviews=(), risen=()) -> None:
    with store.write() as connection:
        product_rows.write_products(connection, changes)
        review_rows.write_reviews(connection, {(one.product_id, one.review_id): one for one in reviews}, risen)


def load(store, *product_ids: str) -> dict[str, product_rows.ProductRow]:
    with store.read() as connection:
        return {row.product_id: row for row in product_rows.load_products(connection, product_ids)}


def known(store, *keys: tuple[str, str]) -> dict:
    with store.read() as connection:
        return review_rows.known_reviews(connection, keys)


def test_a_product_comes_back_with_its_parts_and_its_traces_in_order_of_arrival(store):
    write(store, change(head=b"1", negative=b"n"), reviews=[review(1), review(0)])
    write(store, change(version=1, head=b"2"), reviews=[review(10), review(2)])
    row = load(store, "p", "unknown")["p"]
    assert (row.version, row.revision, row.sources, row.next_ordinal) == (2, 4, b"{}", 20)
    assert row.parts == {"head": b"2", "negative": b"n"}
    assert row.traces == [(0, b"trace0"), (1, b"trace1"), (2, b"trace2"), (10, b"trace10")]


def test_traces_below_the_base_are_not_loaded(store):
    write(store, change(base=2), change("q"), reviews=[review(1), review(2), review(3), review(1, "q")])
    found = load(store, "p", "q")
    assert (found["p"].traces, found["q"].traces) == ([(2, b"trace2"), (3, b"trace3")], [(1, b"trace1")])


def test_the_parts_of_an_emptied_product_are_gone(store):
    write(store, change(head=b"1", negative=b"n"), change("q"))
    write(store, change(version=1, emptied=True, head=b"2"))
    assert (load(store, "p")["p"].parts, load(store, "q")["q"].parts) == ({"head": b"2"}, {"head": b"h"})


@pytest.mark.parametrize("expected", [0, 2])
def test_a_product_that_another_worker_changed_is_not_overwritten(store, expected):
    write(store, change())
    with pytest.raises(Moved):
        write(store, change(version=expected, head=b"stale"))
    assert load(store, "p")["p"].parts == {"head": b"h"}


def test_one_moved_product_takes_the_whole_decision_back(store):
    write(store, change("a"))
    with pytest.raises(Moved):
        write(store, change("b"), change("a", 0), reviews=[review(0, "b")])
    assert set(load(store, "a", "b")) == {"a"}
    assert known(store, ("b", "r0")) == {}


def test_reviews_and_tombstones_are_known_by_product_and_id(store):
    grave = Tombstone("q", "r1", 7)
    write(store, change(), reviews=[review(1), grave])
    found = known(store, ("p", "r1"), ("p", "r2"), ("r1", "p"), ("q", "r1"))
    assert found == {("p", "r1"): review(1), ("q", "r1"): grave}


def test_an_edit_a_deletion_and_a_return_leave_one_row_each_time(store):
    write(store, change(), reviews=[review(1)])
    edited = dataclasses.replace(review(1), revision=7, record=b"edited")
    write(store, reviews=[edited])
    assert known(store, ("p", "r1")) == {("p", "r1"): edited}
    write(store, reviews=[Tombstone("p", "r1", 8)])
    assert known(store, ("p", "r1")) == {("p", "r1"): Tombstone("p", "r1", 8)}
    write(store, reviews=[Tombstone("p", "r1", 9)])
    assert known(store, ("p", "r1")) == {("p", "r1"): Tombstone("p", "r1", 9)}
    write(store, reviews=[review(1)], risen=[("p", "r1")])
    assert known(store, ("p", "r1")) == {("p", "r1"): review(1)}
    with store.read() as connection:
        assert review_rows.reviews_from(connection, "p", 0, 9) == [review(1)]


def test_reviews_are_listed_from_an_ordinal_on_and_their_times_below_one(store):
    write(store, change(), reviews=[review(n) for n in range(5)] + [review(3, "q")])
    with store.read() as connection:
        assert review_rows.reviews_from(connection, "p", 2, 2) == [review(2), review(3)]
        assert review_rows.times(connection, "p", 2) == {"r0": 1.5, "r1": 1.5}
        assert len(review_rows.times(connection, "p")) == 5


def test_more_products_than_one_statement_takes_are_still_all_found(store):
    count = 2 * CHUNK + 1
    write(store, *(change(f"p{number}") for number in range(count)), reviews=[review(n) for n in range(count)])
    assert len(load(store, *(f"p{number}" for number in range(count)))) == count
    assert len(known(store, *(("p", f"r{n}") for n in range(count)))) == count
