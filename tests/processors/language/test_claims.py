import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.language.claims import SEGMENT_LIMIT, WORDS_MAX, WORDS_MIN, split_claims, split_segments


def texts_of(text: str) -> list[str]:
    return [claim.text for claim in split_claims(text)]


def test_a_missing_space_after_a_sentence_still_ends_it() -> None:
    assert texts_of("The speed is great!With the adapter it fits.Works in my camera.") == [
        "The speed is great!",
        "With the adapter it fits.",
        "Works in my camera.",
    ]


def test_clauses_on_both_sides_of_a_but_become_claims_of_their_own() -> None:
    polarities = {
        claim.text: claim.polarity for claim in split_claims("The fabric is lovely and soft, but the zipper broke.")
    }
    assert polarities == {"The fabric is lovely and soft": 1.0, "the zipper broke.": -1.0}


@pytest.mark.parametrize(
    "text",
    [
        "Does the battery fit the old charger?",
        "Battery died.",
        "I bought this card for my sister's camera.",
        "Love it so very much!",
        "la tarjeta es muy buena y llego a tiempo sin problemas de nada",
        "Die Karte ist sehr gut und die Lieferung war schnell, gerne wieder bei diesem Haendler",
        "карта памяти работает отлично, рекомендую всем покупателям",
        "",
        "😀😀😀 😀",
        "battery " * 31,
    ],
    ids=["question", "two words", "story", "no aspect", "Spanish", "German", "Russian", "empty", "emoji", "31 words"],
)
def test_what_says_nothing_about_the_product_makes_no_claim(text: str) -> None:
    assert split_claims(text) == []


def test_abbreviations_do_not_end_a_sentence() -> None:
    assert texts_of("The cable is approx. three feet long.") == ["The cable is approx. three feet long."]


def test_html_and_control_characters_never_reach_a_claim() -> None:
    assert texts_of("The \x00zipper&#39;s teeth<br/>broke quickly &amp;amp; badly") == [
        "The zipper's teeth",
        "broke quickly & badly",
    ]


def test_at_most_4000_characters_are_read() -> None:
    assert all("zipper" not in text for text in texts_of("x" * 4_000 + ". The zipper broke after a week."))


@given(st.text(max_size=600) | st.text(alphabet="ab .,!?;-\n\"'()<>&0", max_size=600))
def test_any_text_keeps_the_limits(text: str) -> None:
    assert len(split_segments(text)) <= SEGMENT_LIMIT
    for claim in split_claims(text):
        assert WORDS_MIN <= len(claim.words) <= WORDS_MAX
        assert -1.0 <= claim.polarity <= 1.0
        assert "\x00" not in claim.text
        assert claim.content


def test_content_is_what_the_opinion_is_about() -> None:
    (claim,) = split_claims("The batteries really were not great with my phone")
    assert claim.content == ("battery", "phone")
    assert (claim.polarity, claim.polar_words) == (-1.0, 1)


def test_talk_of_other_reviews_makes_no_claim() -> None:
    assert [claim.text for claim in split_claims("I agree with the other reviewers. The zipper broke.")] == [
        "The zipper broke."
    ]
