import random
from collections.abc import Sequence
from datetime import datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.digest.product import Product
from schemas.points import BAND_NAMES, Reading
from schemas.reviews import Review
from tests.processors.fake_encoder import INVENTED, encode, fold, review

THINGS = ("zipper", "battery", "strap", "screen", "speaker", "lining", "charger", "box", "button", "cable")
SAYINGS = (
    "The {} broke after a week",
    "The {} is very soft",
    "no problems with the {} so far",
    "a {} that feels cheap",
)
TEXTS = st.lists(
    st.builds(lambda thing, saying: saying.format(thing), st.sampled_from(THINGS), st.sampled_from(SAYINGS)), max_size=4
).map(". ".join)
RATINGS = st.sampled_from([1, 2, 3, 4, 5, None])
HISTORIES = st.lists(st.tuples(TEXTS, RATINGS, st.floats(0, 5_000)), min_size=1, max_size=60)

History = Sequence[tuple[Review, datetime]]


def as_reviews(history: Sequence[tuple[str, int | None, float]]) -> History:
    return [review(number, text, rating, hours) for number, (text, rating, hours) in enumerate(history)]


def everything(product: Product) -> tuple[bytes, bool, bool, int]:
    reading = msgspec.json.encode(product.read(encode))
    return reading, product.reading_due, product.unread, product.review_count


def many(count: int) -> History:
    """Reviews whose claims keep founding, merging and dropping clusters."""
    choose = random.Random(4)
    reviews = []
    for number in range(count):
        topic = choose.randrange(64)
        words = [INVENTED[topic * step % 64] for step in (1, 7, 11)]
        words += [choose.choice(INVENTED), choose.choice(["great", "awful", "now", "now"])]
        reviews.append(review(number, " ".join(words), 1))
    return reviews


@settings(deadline=None, max_examples=40)
@given(HISTORIES, st.data())
def test_dumping_and_loading_at_any_moment_changes_nothing(
    history: list[tuple[str, int | None, float]], data: st.DataObject
) -> None:
    reviews = as_reviews(history)
    straight, broken = Product("p"), Product("p")
    stored: dict[str, bytes] = {}
    traces: list[tuple[int, bytes]] = []
    for one in reviews:
        straight_trace = fold(straight, [one])
        traces += fold(broken, [one])
        assert traces[-1:] == straight_trace
        if data.draw(st.booleans(), label="read"):
            straight.mark_read()
            broken.mark_read()
        if data.draw(st.booleans(), label="reload"):
            stored |= broken.dump_changed()
            broken = Product.load("p", stored, traces)
        assert everything(broken) == everything(straight)
    assert stored | broken.dump_changed() == straight.dump_changed()


def test_dumping_and_loading_through_prunes_changes_nothing() -> None:
    straight, broken = Product("p"), Product("p")
    stored: dict[str, bytes] = {}
    traces: list[tuple[int, bytes]] = []
    for number, one in enumerate(many(1_000)):
        fold(straight, [one])
        traces += fold(broken, [one])
        if number % 71 == 0:
            stored |= broken.dump_changed()
            broken = Product.load("p", stored, traces)
    assert everything(broken) == everything(straight)
    assert stored | broken.dump_changed() == straight.dump_changed()


def test_the_history_that_prunes_really_merges_and_drops() -> None:
    product = Product("p")
    traces = [msgspec.msgpack.decode(trace) for _, trace in fold(product, many(1_000))]
    assert any(merges for *_, merges in traces)
    assert max(hit for _, _, hits, _ in traces for hit in hits) > 100  # of which at most 72 live


def test_reading_changes_nothing() -> None:
    read, unread = Product("p"), Product("p")
    for one in many(60):
        fold(read, [one])
        fold(unread, [one])
        read.read(encode)
    assert read.dump_changed() == unread.dump_changed()


def test_nothing_dumped_grows_with_the_number_of_reviews() -> None:
    product = Product("p")
    stored: dict[str, bytes] = {}
    sizes = {}
    for number, one in enumerate(many(4_000), start=1):
        longest_trace = max(len(trace) for _, trace in fold(product, [one]))
        stored |= product.dump_changed()
        sizes[number] = sum(map(len, stored.values()))
        assert longest_trace < 100
    assert sizes[2_000] < 2 * sizes[200]  # quotes are still being gathered
    assert sizes[4_000] < 1.1 * sizes[2_000]


def test_a_point_counts_distinct_reviews_exactly() -> None:
    reviews = [review(n, "The zipper broke. The zipper broke quickly. The zipper broke again", 1) for n in range(5)]
    reviews += [review(n, "The strap is very soft", 1) for n in range(5, 8)]
    product = Product("p")
    fold(product, reviews)
    points = product.read(encode).bands.negative.points
    assert {point.label: point.review_count for point in points} == {"zipper broke": 5, "strap soft": 3}
    assert [point.share for point in points] == [0.625, 0.375]


def test_each_rating_lands_in_its_band() -> None:
    product = Product("p")
    fold(product, [review(n, "fine", rating) for n, rating in enumerate([1, 2, 3, 4, 5, 5, None])])
    reading = product.read(encode)
    assert [getattr(reading.bands, name).review_count for name in BAND_NAMES] == [2, 1, 3, 1]
    assert msgspec.to_builtins(reading.metrics.rating_counts) == {"1": 1, "2": 1, "3": 1, "4": 1, "5": 2}
    assert reading.metrics.mean_rating == pytest.approx(20 / 6, abs=1e-4)


def test_a_product_without_ratings_has_no_mean() -> None:
    product = Product("p")
    fold(product, [review(0, "The zipper broke", None)])
    reading = product.read(encode)
    assert reading.metrics.mean_rating is None
    assert [point.label for point in reading.bands.unrated.points] == ["zipper broke"]


def test_a_foreign_language_counts_but_makes_no_point() -> None:
    product = Product("p")
    fold(product, [review(0, "la tarjeta es muy buena y llego a tiempo sin problemas de nada", 5)])
    band = product.read(encode).bands.positive
    assert (band.review_count, band.points) == (1, [])


def test_point_ids_stay_while_a_cluster_lives() -> None:
    product = Product("p")
    ids: set[str] = set()
    for number in range(60):
        fold(product, [review(number, f"The zipper broke. The {THINGS[number % 10]} is very soft", 1)])
        points = product.read(encode).bands.negative.points
        ids |= {point.point_id for point in points if point.headline == "The zipper broke."}
    assert len(ids) == 1


def test_trend_compares_the_newest_64_reviews_with_all() -> None:
    product = Product("p")
    fold(product, [review(n, "The strap is very soft", 1) for n in range(64)])
    fold(product, [review(64 + n, "The zipper broke", 1) for n in range(64)])
    trends = {point.label: point.trend for point in product.read(encode).bands.negative.points}
    assert trends == {"strap soft": 0.0, "zipper broke": 2.0}


class TestReadingDue:
    def test_a_single_first_review_is_not_enough(self) -> None:
        product = Product("p")
        fold(product, [review(0, "The strap is very soft")])
        assert (product.unread, product.reading_due) == (True, False)

    def test_two_reviews_and_a_fifth_of_the_band_are(self) -> None:
        product = Product("p")
        fold(product, [review(n, "fine") for n in range(20)])
        product.mark_read()
        assert (product.unread, product.reading_due) == (False, False)
        fold(product, [review(20 + n, "fine") for n in range(3)])
        assert not product.reading_due
        fold(product, [review(23, "fine")])
        assert product.reading_due

    def test_bands_grow_on_their_own(self) -> None:
        product = Product("p")
        fold(product, [review(n, "fine") for n in range(200)])
        product.mark_read()
        fold(product, [review(200 + n, "bad", 1) for n in range(2)])
        assert product.reading_due

    def test_only_the_first_flag_of_a_kind_counts(self) -> None:
        product = Product("p")
        fold(product, [review(n, "fine") for n in range(200)])
        product.mark_read()
        fold(product, [review(200, "It caught fire.")])
        assert product.reading_due
        product.mark_read()
        fold(product, [review(201, "It caught fire.")])
        assert not product.reading_due


def test_only_changed_parts_are_dumped() -> None:
    product = Product("p")
    fold(product, [review(0, "fine", 5)])
    assert set(product.dump_changed()) == {"head", "positive"}
    assert product.dump_changed() == {}
    product.mark_read()
    assert set(product.dump_changed()) == {"head"}


def test_a_reading_can_be_encoded_and_decoded() -> None:
    product = Product("p")
    fold(product, many(100))
    reading = product.read(encode)
    assert msgspec.json.decode(msgspec.json.encode(reading), type=Reading) == reading
