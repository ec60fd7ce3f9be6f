import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.texts.paragraph import TARGET_WORDS, compose
from processors.texts.sentence_words import SELF
from tests.processors.fake_encoder import encode
from tests.processors.readings import band, point, reading

PRAISE = [
    point("The fabric is soft and comfortable", 40, 90),
    point("It fits perfectly and is flattering", 30, 90),
    point("The colors are beautiful", 25, 90),
    point("I love the pockets", 20, 90),
    point("Great quality for the price", 15, 90),
    point("It washes easily and dries quickly", 9, 90),
]
COMPLAINTS = [
    point("The zipper broke after a week", 6, 10),
    point("The seams are itchy", 4, 10),
    point("Shipping was slow", 2, 10),
    point("The hem is uneven and the stitching poor", 2, 10),
]
SENTENCE = re.compile(r"[A-Z][^.]*(?:\.\d[^.]*)*\.")


def sentences(text: str) -> list[str]:
    assert re.fullmatch(rf"{SENTENCE.pattern}(?: {SENTENCE.pattern})*", text), text
    return [match[0] for match in SENTENCE.finditer(text)]


def test_praise_comes_first_and_complaints_stay_the_smaller_part():
    text = compose(reading(band(90, PRAISE), band(10, COMPLAINTS)), encode)
    before, turn, after = text.partition("However, ")
    assert turn
    assert before
    assert len(after.split()) <= 0.35 * len(text.split()) + 1
    assert "zipper broke" in after


def test_complaints_of_nearly_half_the_reviews_stay_the_smaller_part():
    text = compose(reading(band(55, PRAISE), band(45, COMPLAINTS)), encode)
    assert len(text.partition("However, ")[2].split()) <= 0.35 * len(text.split()) + 1


def test_complaints_lead_where_they_are_the_rule():
    text = compose(reading(band(10, PRAISE), band(90, COMPLAINTS)), encode)
    assert text.startswith("The zipper broke after a week.")
    assert "Still, " in text


def test_a_single_complaint_among_many_is_not_heard():
    text = compose(reading(band(90, PRAISE), band(1, COMPLAINTS[:1])), encode)
    assert "zipper" not in text


def test_the_text_has_about_sixty_words_in_whole_sentences():
    text = compose(reading(band(90, PRAISE * 3), band(10, COMPLAINTS)), encode)
    assert 30 < len(text.split()) <= TARGET_WORDS + 10
    assert len(sentences(text)) >= 4


def test_nobody_speaks_in_the_first_person():
    mine = [
        point("I love my new phone", 5),
        point("It fits me well and my hands", 4),
        point("I am happy with my case", 3),
    ]
    text = compose(reading(band(10, mine)), encode)
    assert text
    assert not SELF & set(re.findall(r"[\w']+", text.lower()))


def test_reviewers_are_not_made_to_contradict_themselves():
    odd = [point("I love this and have not bought it", 9), point("The strap is comfortable", 3)]
    assert compose(reading(band(10, odd)), encode) == "The strap is comfortable."


def test_opposites_do_not_stand_on_one_side():
    sizes = [point("It runs small but is lovely", 9), point("The cut is nicely large around the neck", 8)]
    text = compose(reading(band(10, sizes)), encode)
    assert "small" in text
    assert "large" not in text


def test_a_complaint_quoted_from_praise_is_left_out():
    mixed = [point("The fabric is soft", 9), point("The zipper is terrible", 8)]
    assert compose(reading(band(10, mixed)), encode) == "The fabric is soft."


def test_the_same_thing_is_said_once():
    same = [point("The fabric is very soft", 9), point("The fabric is so very soft", 8)]
    assert compose(reading(band(10, same)), encode).count("soft") == 1


@pytest.mark.parametrize("quote", ["The fabric is soft and…", "The fabric is so soft that my"])
def test_cut_quotes_are_not_shown(quote):
    text = compose(reading(band(3, [point("It fits perfectly", 3, quotes=[quote])])), encode)
    assert text == "It fits perfectly."


def test_unrated_reviews_speak_too():
    unrated = band(
        8, [point("The staff is friendly", 4), point("The food was cold", 1), point("The soup was terrible", 2)]
    )
    text = compose(reading(unrated=unrated), encode)
    assert text.startswith("The staff is friendly.")
    assert "soup was terrible" in text


def test_one_reviewer_is_called_one_reviewer():
    text = compose(reading(band(1, [point("I love the screen", 1, 1)])), encode)
    assert text == "One reviewer loves the screen."


def test_where_nothing_can_be_restated_a_reviewer_is_quoted():
    text = compose(reading(band(1, [point("I got this for my son", 1, 1)])), encode)
    assert text == 'One reviewer writes: "I got this for my son."'


def test_nothing_is_said_of_nothing():
    assert compose(reading(), encode) == ""
    assert compose(reading(band(3)), encode) == ""


def test_of_points_with_equal_support_the_first_is_told_first():
    points = [point("The zipper is sturdy", 5), point("The fabric is soft", 5)]
    for order in (points, points[::-1]):
        assert compose(reading(band(10, order)), encode).startswith(order[0].headline)


def test_points_of_two_bands_about_the_same_are_told_once_while_there_is_other_praise():
    others = [point("The zipper on the left side is sturdy and the lining is smooth", 5)]
    unrated = band(10, [point("It comes at a great price", 9)])
    text = compose(reading(band(30, [*PRAISE, *others]), unrated=unrated), encode)
    assert "left side" in text
    assert text.count("price") == 1


def test_complaints_that_few_reviews_share_are_said_by_a_few():
    complaint = band(20, [point("The zipper broke at once", 3, 20)])
    text = compose(reading(band(80, [point("The fabric is soft", 40, 80)]), complaint), encode)
    assert text == "The fabric is soft. However, a few say the zipper broke at once."


WORDS = [
    "I ",
    "we ",
    "my ",
    "love ",
    "the zipper ",
    "It ",
    "they ",
    "is ",
    "broke ",
    "very ",
    "soft ",
    "not ",
    "would ",
]
MARKS = [
    ", and ",
    ". ",
    "(",
    ")",
    "' ",
    "-- ",
    "…",
    "U.S. ",
    "10.1 ",
    '"',
    "&amp;",
    "<br>",
    "😀",
    "שלום ",
    "\n",
    "\x00",
]
UNITS = st.sampled_from([*WORDS, *MARKS])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(UNITS, min_size=1, max_size=14).map("".join), min_size=1, max_size=8), st.booleans())
def test_any_text_gives_whole_sentences_or_none(texts, rated):
    points = [point(text + "x", count=number + 1, quotes=[text, text[::-1]]) for number, text in enumerate(texts)]
    given_reading = reading(positive=band(20, points)) if rated else reading(unrated=band(20, points))
    text = compose(given_reading, encode)
    assert text == compose(given_reading, encode)
    assert not text or (text[0].isupper() and text.endswith((".", '."')))
    if not text.startswith("One reviewer writes"):
        assert not {"i", "my", "we"} & set(re.findall(r"[\w']+", text.lower()))
        assert "<" not in text
        assert "\x00" not in text
