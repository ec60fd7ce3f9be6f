import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from processors.digest.product import Product
from processors.language.cleaning import clean_text
from processors.texts.citing import cited_reviews, cites_forgotten, quoted_reviews
from processors.texts.paragraph import compose
from schemas.points import BAND_NAMES, Evidence, Flag, Forgotten, Reading
from tests.processors.fake_encoder import INVENTED, encode, fold, review
from tests.processors.readings import band, point, reading

TOLD = Forgotten(count=5, newest=["c", "d", "e"])


def test_every_quote_is_counted_wherever_it_is_shown():
    shown = reading(
        positive=band(2, [point("soft fabric", quotes=["soft", "so soft"])]), negative=band(1, [point("x")])
    )
    evidence = [Evidence(review_id="r9", quote="worth it")]
    value = msgspec.structs.replace(shown.value_for_money, evidence=evidence)
    flags = [Flag(kind="safety", review_id="r0", quote="it burned")]
    shown = msgspec.structs.replace(shown, value_for_money=value, flags=flags)
    assert sorted(quoted_reviews(shown)) == ["r0", "r0", "r0", "r1", "r9"]
    assert cited_reviews(shown) == {"r0", "r1", "r9"}


def test_reviews_are_cited_by_points_of_every_band_by_flags_and_by_value_for_money():
    def said(review_id: str):
        return replace(point("soft"), evidence=[Evidence(review_id=review_id, quote="soft")])

    bands = {name: band(6, [said(f"{name} 1"), said(f"{name} 2")]) for name in BAND_NAMES}
    some = reading(**bands)
    value = replace(some.value_for_money, evidence=[Evidence(review_id="value", quote="cheap")])
    shown = replace(some, value_for_money=value, flags=[Flag(kind="safety", review_id="flag", quote="fire")])
    expected = {f"{name} {number}" for name in BAND_NAMES for number in (1, 2)} | {"value", "flag"}
    assert cited_reviews(shown) == expected
    assert cited_reviews(reading()) == frozenset()


@pytest.mark.parametrize(
    ("cited", "before", "expected"),
    [
        ({"c"}, 2, True),
        ({"c"}, 3, False),
        ({"x", "e"}, 4, True),
        ({"e"}, 5, False),
        ({"x"}, 2, False),
        ({"x"}, 1, True),  # it is not known any more which two were forgotten first
        ({"x"}, 6, True),  # the count fell: it counts something else
    ],
)
def test_a_text_cites_what_was_forgotten_after_it_unless_that_is_known_to_be_something_else(cited, before, expected):
    assert cites_forgotten(cited, TOLD, before) is expected


OPINIONS = st.tuples(
    st.sampled_from(["strap", "zipper", "fabric", *INVENTED[:6]]),
    st.sampled_from(["is soft", "broke early", "feels cheap", "works great", "caught fire", "was not worth the money"]),
    st.sampled_from([1, 3, 5, None]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(OPINIONS, min_size=1, max_size=3), min_size=1, max_size=40))
def test_every_headline_and_every_quote_is_of_a_review_that_the_reading_cites(histories):
    """Each review signs every sentence, so that words of an uncited one would be seen."""
    product, texts = Product("p"), {}
    for number, opinions in enumerate(histories):
        text = " ".join(f"The {thing} {what}, says sig{number}q." for thing, what, _ in opinions)
        texts[f"r{number}"] = clean_text(text)
        fold(product, [review(number, text, opinions[0][2])])
    shown = product.read(encode)
    for name in BAND_NAMES:
        for told in getattr(shown.bands, name).points:
            assert told.headline == told.evidence[0].quote
            check_quotes(told.evidence, texts)
    check_quotes([*shown.flags, *shown.value_for_money.evidence], texts)
    check_signatures(compose(shown, encode), shown)


def check_quotes(quoted, texts: dict[str, str]) -> None:
    for one in quoted:
        assert one.quote.rstrip("…") in texts[one.review_id]


def check_signatures(text: str, shown: Reading) -> None:
    cited = {f"sig{review_id.removeprefix('r')}q" for review_id in cited_reviews(shown)}
    assert {word.strip('.,"').lower() for word in text.split() if "sig" in word.lower()} <= cited
