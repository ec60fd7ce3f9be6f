import time

import pytest

from processors.texts.sentences import LONGEST, restate, restate_parts


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("I love the screen!!!", "Reviewers love the screen"),
        ("And I really love the screen", "Reviewers really love the screen"),
        ("Love the soft fabric.", "Reviewers love the soft fabric"),
        ("i would buy it again", "Reviewers would buy it again"),
        ("I'm very happy with the fit", "Reviewers are very happy with the fit"),
        ("I was disappointed with the quality", "Reviewers were disappointed with the quality"),
        ("no problems so far with this card", "Reviewers report no problems so far with this card"),
        ("I get so many compliments on this necklace.", "Reviewers got so many compliments on this necklace"),
        ("I love it so much that I wear it daily", "Reviewers love it so much that they wear it daily"),
        ("Works great in my phone", "It works great in the phone"),
        ("True to size", "It is true to size"),
        ("very soft and stretchy", "It is very soft and stretchy"),
        ("Great little card for the price", "It is a great little card for the price"),
        ("Excellent sound quality", "It has excellent sound quality"),
        ("I think it is well made", "It is well made"),
        ("the <b>straps</b> are too long &amp; slip", "The straps are too long & slip"),
        ("THE ZIPPER BROKE AFTER A WEEK", "The zipper broke after a week"),
        ("It is smaller than I expected", "It is smaller than expected"),
        ("The shoe is comfortable, in my opinion", "The shoe is comfortable"),
        ("I sent them back after a week", "One reviewer sent them back after a week"),
    ],
)
def test_a_claim_becomes_a_whole_sentence_in_the_third_person(claim, sentence):
    assert restate(claim).sentence == sentence


@pytest.mark.parametrize(
    "claim",
    [
        "I bought it for my son",
        "my husband loves it",
        "Is it any good?",
        "which is a shame",
        "and have not bought it",
        "because of the",
        "Buy it now",
        "a few of them",
        "the fabric is",
        "see www.example.com for more",
        "loved this top and was really happy to find it",
        "She wears it every day",
        "it broke on my daughter's birthday",
        "",
        "(",
    ],
)
def test_stories_fragments_and_advice_are_refused(claim):
    assert restate(claim) is None


def test_a_clause_that_stands_alone_is_taken_from_a_story():
    parts = restate_parts("I got it from my son and the colors are still bright")
    assert [part.sentence for part in parts] == ["The colors are still bright"]


def test_nothing_is_taken_from_under_a_condition():
    assert restate_parts("If you are tall, the sleeves are short and my daughter cried") == []


def test_one_reviewer_gets_the_verb_of_one():
    assert restate("I love the screen").singular == "loves the screen"
    assert restate("I'm happy with the screen").singular == "is happy with the screen"


@pytest.mark.parametrize(
    "unit", ["and ", "i ", "(", "so very ", "my ", ", and ", "<", "don't ", "i really ", "a'", "&amp;"]
)
def test_hostile_text_takes_no_longer(unit):
    started = time.perf_counter()
    for statement in restate_parts((unit * 4_000)[:4_000]):
        assert len(statement.sentence.split()) <= LONGEST
    assert time.perf_counter() - started < 1
