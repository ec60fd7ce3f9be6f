import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.digest.product import Product
from schemas.points import BAND_NAMES, EVIDENCE_LIMIT, FLAG_LIMIT, POINT_LIMIT, Reading
from schemas.records import QUOTE_LIMIT
from schemas.reviews import Review
from tests.processors.fake_encoder import INVENTED, START, encode, fold, review

READING_BYTES_MAX = 256 * 1024
UNITS = st.sampled_from(
    [
        "😀",
        "👩‍👩‍👧‍👦",
        "שלום ",
        "مرحبا ",
        "\x00",
        "<b>",
        "&#34;",
        "&amp;",
        "zipper broke ",
        "not worth it. ",
        "caught fire! ",
        "\u202e",
        "é",
        "x",
        "\n",
        '"',
        "\\",
    ]
)
NASTY = st.lists(st.tuples(UNITS, st.integers(1, 400)), min_size=1, max_size=6).map(
    lambda parts: "".join(unit * count for unit, count in parts)[:20_000]
)
WORDY = st.lists(
    st.sampled_from(["zipper", "broke", "soft", "strap", "not", "😀zip", "מסך", "battery's"]), min_size=3, max_size=30
).map(" ".join)


def check_limits(reading: Reading) -> None:
    assert len(msgspec.json.encode(reading)) < READING_BYTES_MAX
    assert len(reading.flags) <= FLAG_LIMIT
    quotes = [flag.quote for flag in reading.flags] + [one.quote for one in reading.value_for_money.evidence]
    for name in BAND_NAMES:
        band = getattr(reading.bands, name)
        assert len(band.points) <= POINT_LIMIT
        assert len({point.label for point in band.points}) == len(band.points)
        assert len({point.point_id for point in band.points}) == len(band.points)
        for point in band.points:
            assert 1 <= len(point.evidence) <= EVIDENCE_LIMIT
            assert len({one.quote for one in point.evidence}) == len(point.evidence)
            assert 1 <= point.review_count <= band.review_count
            assert len(point.label.split()) <= 2
            quotes += [point.headline, *(one.quote for one in point.evidence)]
    assert all(0 < len(quote) <= QUOTE_LIMIT and "\x00" not in quote for quote in quotes)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(NASTY | WORDY, st.sampled_from([1, 3, 5, None])), min_size=1, max_size=30))
def test_nasty_texts_keep_every_limit(texts: list[tuple[str, int | None]]) -> None:
    product = Product("p")
    fold(product, [review(number, text, rating) for number, (text, rating) in enumerate(texts)])
    check_limits(product.read(encode))


def test_the_largest_reading_fits() -> None:
    product = Product("p")
    for number in range(600):
        thing = INVENTED[number % len(INVENTED)] * 6
        text = ". ".join(
            f"The \u202e {thing} {INVENTED[part]} {'é' * 50} caught fire, damn, overpriced" for part in range(5)
        )
        for band, rating in enumerate([1, 3, 5, None]):
            one = Review(review_id=f"{band}{number}".ljust(200, "é"), product_id="p", text=text, rating=rating)
            fold(product, [(one, START)])
    reading = product.read(encode)
    check_limits(reading)
    assert len(msgspec.json.encode(reading)) > 20_000


def test_20000_characters_without_a_space_are_read() -> None:
    product = Product("p")
    fold(product, [review(0, "x" * 20_000, 1)])
    check_limits(product.read(encode))


def test_flags_are_newest_first_and_counted_beyond_twenty() -> None:
    product = Product("p")
    fold(product, [review(n, "It caught fire.") for n in range(30)])
    reading = product.read(encode)
    assert [flag.review_id for flag in reading.flags] == [f"r{n}" for n in range(29, 9, -1)]
    assert reading.flag_counts.safety == 30


def test_value_for_money_counts_reviews_and_shows_both_sides() -> None:
    product = Product("p")
    fold(product, [review(n, f"Great price for strap {n}.") for n in range(4)] + [review(9, "Not worth the money.", 1)])
    value = product.read(encode).value_for_money
    assert (value.stance, value.good, value.poor, value.unclear) == ("good", 4, 1, 0)
    assert [one.review_id for one in value.evidence] == ["r3", "r2", "r1", "r9"]


def test_opposite_opinions_never_share_a_point() -> None:
    product = Product("p")
    texts = ["The zipper is very sturdy and smooth", "The zipper is flimsy and broke"]
    fold(product, [review(n, texts[n % 2], 5) for n in range(20)])
    for point in product.read(encode).bands.positive.points:
        assert len({one.quote for one in point.evidence}) == 1


def test_words_of_every_review_name_no_point_when_others_can() -> None:
    product = Product("p")
    texts = ["This dress has a soft lining", "This dress has a broken zipper", "This dress has a nice hem"]
    fold(product, [review(n, texts[n % 3], 5) for n in range(60)])
    assert "dress" not in {point.label for point in product.read(encode).bands.positive.points}


def test_a_headline_is_whole_and_impersonal_when_one_is_there() -> None:
    product = Product("p")
    texts = ["and I think the zipper broke", "The zipper broke in the first two weeks.", "my zipper broke when the"]
    fold(product, [review(n, text, 1) for n, text in enumerate(texts * 3)])
    (point,) = product.read(encode).bands.negative.points
    assert point.headline == "The zipper broke in the first two weeks."
