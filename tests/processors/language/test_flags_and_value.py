import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.language.claims import split_segments
from processors.language.cleaning import clean_text, lower_case
from processors.language.flags import find_flags
from processors.language.lexicon import NEGATIVE, POSITIVE
from processors.language.patterns import phrase_pattern
from processors.language.value import judge_value

LISTS = [("value", name) for name in ("mention", "poor", "good")] + [
    ("flags", name) for name in ("safety", "severe", "profanity")
]
ADVERSARIAL_CHARACTERS = 50_000
LINEAR_S = 2.0  # quadratic work on 50,000 characters takes minutes, linear work milliseconds


def kinds(text: str, rating: int | None = 1) -> list[str]:
    return [find.kind for find in find_flags(text, lower_case(text), rating)]


@pytest.mark.parametrize(
    "text",
    [
        "It caught fire on my desk.",
        "The charger overheats.",
        "It melted the socket.",
        "Gave me a bad rash.",
        "My son had an allergic reaction.",
        "there was mold on the lid",
    ],
)
def test_dangers_are_flagged_at_any_rating(text: str) -> None:
    assert kinds(text, 5) == ["safety"]


@pytest.mark.parametrize(
    "text",
    [
        "It never overheats.",
        "There was no fire hazard at all.",
        "As I recall, it was cheap.",
        "It will melt in your mouth.",
        "It came in a blister pack.",
        "The cup is molded well.",
        "I work in a hospital.",
    ],
)
def test_harmless_words_are_not_flagged(text: str) -> None:
    assert kinds(text) == []


def test_severe_failures_count_for_low_ratings_only() -> None:
    assert kinds("It stopped working after a day.", 2) == ["severe"]
    assert kinds("My old one stopped working after a day.", 5) == []
    assert kinds("It stopped working after a day.", None) == []


def test_profanity_is_flagged_but_not_inside_words() -> None:
    assert kinds("What a piece of shit.", 5) == ["profanity"]
    assert kinds("The scrapbook from Scunthorpe is a shitake classic.", 5) == []


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("a great price for what you get", "good"),
        ("worth every penny", "good"),
        ("not worth the money", "poor"),
        ("way too expensive for plastic", "poor"),
        ("it cost 20 dollars", "unclear"),
        ("$ 20 in total", "unclear"),
        ("the strap is long", None),
    ],
)
def test_value_for_money_is_judged_by_phrases(text: str, verdict: str | None) -> None:
    found = judge_value(text)
    assert (found[0] if found else None) == verdict


PIECES = sorted(
    {piece for section, name in LISTS for piece in re.findall(r"[a-z]{2,}", phrase_pattern(section, name).pattern)}
    | POSITIVE
    | NEGATIVE
)
REPEATED = st.lists(
    st.sampled_from(PIECES)
    | st.sampled_from(
        [
            " ",
            "  ",
            "a",
            "f",
            "u",
            "c",
            ".",
            "!",
            "'",
            '"',
            ")",
            "<",
            "&",
            "&#",
            "-",
            " - ",
            ", ",
            "\n",
            "*",
            "é",
            "_",
            "9",
        ]
    ),
    min_size=1,
    max_size=5,
).map("".join)


@settings(max_examples=60, deadline=None)
@given(REPEATED, REPEATED)
def test_every_pattern_is_linear_in_its_input(unit: str, ending: str) -> None:
    text = (unit * (ADVERSARIAL_CHARACTERS // len(unit) + 1))[:ADVERSARIAL_CHARACTERS] + ending
    began = time.perf_counter()
    for section, name in LISTS:
        sum(1 for _ in phrase_pattern(section, name).finditer(text))
    split_segments(text)
    judge_value(text)
    find_flags(text, text, 1)
    clean_text(text)
    assert time.perf_counter() - began < LINEAR_S
