import dataclasses

import pytest
import sqlalchemy as sa

from infra import product_rows
from infra.fences import Moved
from infra.product_rows import CHUNK, ProductChange, ReviewRow


def change(product_id: str = "p", version: int = 0, **parts: bytes) -> ProductChange:
    return ProductChange(product_id, version, 4, 9, b"{}", parts or {"head": b"h"})


def review(number: int, product_id: str = "p") -> ReviewRow:
    return ReviewRow(product_id, f"r{number}", number, 2, b"{}", 1.5, f"trace{number}".encode())


def write(store, *changes: ProductChange, reviews=()) -> None:
    with store.write() as connection:
        product_rows.write_products(connection, changes)
        product_rows.add_reviews(connection, reviews)


def load(store, *product_ids: str) -> dict[str, product_rows.ProductRow]:
    with store.read() as connection:
        return {row.product_id: row for row in product_rows.load_products(connection, product_ids)}


def test_a_product_comes_back_with_its_parts_and_its_traces_in_order_of_arrival(store):
    write(store, change(head=b"1", negative=b"n"), reviews=[review(1), review(0)])
    write(store, change(version=1, head=b"2"), reviews=[review(10), review(2)])
    row = load(store, "p", "unknown")["p"]
    assert (row.version, row.revision, row.sources) == (2, 4, b"{}")
    assert row.parts == {"head": b"2", "negative": b"n"}
    assert row.traces == [b"trace0", b"trace1", b"trace2", b"trace10"]


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
    with store.read() as connection:
        assert product_rows.known_revisions(connection, [("b", "r0")]) == {}


def test_reviews_are_known_by_product_and_id(store):
    write(store, change(), reviews=[review(1), review(1, "q")])
    with store.read() as connection:
        known = product_rows.known_revisions(connection, [("p", "r1"), ("p", "r2"), ("r1", "p"), ("q", "r1")])
    assert known == {("p", "r1"): 2, ("q", "r1"): 2}


def test_a_review_is_never_kept_twice(store):
    write(store, change(), reviews=[review(1)])
    again = dataclasses.replace(review(1), ordinal=7)
    with pytest.raises(sa.exc.IntegrityError):
        write(store, reviews=[again])


def test_more_products_than_one_statement_takes_are_still_all_found(store):
    count = 2 * CHUNK + 1
    write(store, *(change(f"p{number}") for number in range(count)), reviews=[review(n) for n in range(count)])
    assert len(load(store, *(f"p{number}" for number in range(count)))) == count
    with store.read() as connection:
        assert len(product_rows.known_revisions(connection, [("p", f"r{n}") for n in range(count)])) == count
