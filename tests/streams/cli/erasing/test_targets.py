import click
import pytest

from schemas.tables import reviews, tombstones
from streams.cli.erasing.targets import LISTED, Target, find_target
from streams.cli.errors import CommandError, Exit

KEPT = [("p", "r1"), ("a/b", "c"), ("x", "same"), ("y", "same")]
DELETED = [("a", "b/c"), ("p", "gone"), ("p", "a/b/d")]


@pytest.fixture
def connection(store):
    with store.write() as connection:
        for number, (product_id, review_id) in enumerate(KEPT):
            values = {"ordinal": number, "revision": 3, "record": b"{}", "at": 0.0, "trace": b""}
            connection.execute(reviews.insert(), {"product_id": product_id, "review_id": review_id, **values})
        for product_id, review_id in DELETED:
            row = {"product_id": product_id, "review_id": review_id, "revision": 7}
            connection.execute(tombstones.insert(), row)
    with store.read() as connection:
        yield connection


@pytest.mark.parametrize(
    ("named", "product_id", "found"),
    [
        ("p/r1", None, Target("p", "r1", "kept", 3, b"{}")),
        ("r1", None, Target("p", "r1", "kept", 3, b"{}")),
        ("r1", "p", Target("p", "r1", "kept", 3, b"{}")),
        ("same", "y", Target("y", "same", "kept", 3, b"{}")),
        ("b/c", "a", Target("a", "b/c", "deleted", 7)),
        ("a/b/d", None, Target("p", "a/b/d", "deleted", 7)),
        ("p/a/b/d", None, Target("p", "a/b/d", "deleted", 7)),
    ],
)
def test_a_review_is_found_however_it_is_named(connection, named, product_id, found):
    assert find_target(connection, named, product_id, unseen=False) == found


@pytest.mark.parametrize(("named", "told"), [("a/b/c", "b/c of a, c of a/b"), ("same", "same of x, same of y")])
def test_what_can_be_several_is_listed_and_refused(connection, named, told):
    with pytest.raises(CommandError, match=f"can be 2 reviews: {told}. Name one: .*--product") as refused:
        find_target(connection, named, None, unseen=True)
    assert refused.value.code == Exit.USAGE


def test_of_very_many_only_some_are_listed(store):
    rows = [{"product_id": f"p{number:02}", "review_id": "1", "revision": 0} for number in range(LISTED + 3)]
    with store.write() as connection:
        connection.execute(tombstones.insert(), rows)
    with store.read() as connection, pytest.raises(CommandError, match=r"can be 13 reviews: 1 of p00.* and 3 more\."):
        find_target(connection, "1", None, unseen=False)


@pytest.mark.parametrize(("named", "product_id"), [("nope", None), ("p/nope", None), ("r1", "x"), ("/", None)])
def test_an_unknown_review_is_not_found(connection, named, product_id):
    with pytest.raises(CommandError, match=r"nothing is known of a review .*--unseen") as told:
        find_target(connection, named, product_id, unseen=False)
    assert told.value.code == Exit.NOT_FOUND


def test_an_unseen_review_needs_a_clear_product(connection):
    assert find_target(connection, "p/new", None, unseen=True) == Target("p", "new", "unseen")
    assert find_target(connection, "n/e/w", "p", unseen=True) == Target("p", "n/e/w", "unseen")
    for named in ("new", "n/e/w"):
        with pytest.raises(click.UsageError, match=r"Which part of .* is the product"):
            find_target(connection, named, None, unseen=True)
