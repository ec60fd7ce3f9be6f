import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.search.terms import LIMIT, LONGEST, shared_words, spans_of, terms_of


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("How do I reset the broker?", ("reset", "broker")),
        ('"exact" AND (a OR b*) NEAR/3 title:x -y ^z', ("exact", "b", "near", "3", "title", "x", "y", "z")),
        ("snake_case and it's", ("snake", "case")),
        ("Größe 手机套 naïve", ("größe", "手机套", "naïve")),
        ("to be or not to be", ("to", "be", "or", "not")),
        ("same Same SAME", ("same",)),
        ("", ()),
        ("?! -- ''", ()),
    ],
)
def test_words_of_a_question_without_those_that_say_nothing(question, terms):
    assert terms_of(question) == terms


@given(st.text())
def test_terms_are_few_short_lower_case_words_each_once(question):
    terms = terms_of(question)
    assert len(terms) == len(set(terms)) <= LIMIT
    assert all(0 < len(term) <= LONGEST * 3 and not set(term) & set("\"'*():^-_ \0\n") for term in terms)


def test_of_a_long_question_the_first_words_count():
    assert terms_of(" ".join(f"w{number}" for number in range(99))) == tuple(f"w{number}" for number in range(LIMIT))


def test_what_is_too_long_for_a_word_is_none():
    assert terms_of("x" * 65 + " zipper") == ("zipper",)


def test_words_are_marked_in_whatever_form():
    text = "Resetting brokers: RESET it."
    assert [text[start:end] for start, end in spans_of(("reset", "broker"), text)] == ["Resetting", "brokers", "RESET"]
    assert spans_of((), text) == []


def test_the_share_of_words_a_text_has():
    assert shared_words(("zipper", "broke", "dress"), "Zippers of a dress") == pytest.approx(2 / 3)
