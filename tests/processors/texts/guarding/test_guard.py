"""What a model may say of a product, and what it may not; how often each is mistaken for the other."""

import pytest

from processors.texts.guarding.guard import check_sentences
from processors.texts.guarding.sentences import SaidSentence, Sentences
from processors.texts.told import Told
from tests.processors.texts.guarding.rewrites import Case, faithful, made_up

CASES = 200
KETTLE = [
    Told(
        id="P1",
        band="positive",
        says="boils a full litre very quickly",
        label="boils quickly",
        reviews=31,
        of=52,
        percent=60,
        quotes=["It boils a full litre very quickly."],
    ),
    Told(
        id="P2",
        band="negative",
        says="the lid does not stay on",
        label="lid",
        reviews=4,
        of=9,
        percent=44,
        quotes=["The lid does not stay on, and Acme never answered my 3 mails."],
    ),
]


def said(text, points=("P1",)):
    return Sentences(sentences=[SaidSentence(text=text, points=list(points))])


def reasons(case: Case):
    return check_sentences(said(case.text, case.points), case.material).reasons


def test_of_200_made_up_sentences_at_least_95_percent_are_caught():
    missed = [(case.kind, case.text) for case in made_up(CASES) if not reasons(case)]
    assert len(missed) <= 0.05 * CASES, missed


def test_of_200_faithful_sentences_at_most_5_percent_are_refused():
    refused = [(case.kind, case.text, why) for case in faithful(CASES) if (why := reasons(case))]
    assert len(refused) <= 0.05 * CASES, refused


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("It boils a full litre quickly, say 31 of 52.", ["P1"]),
        ("Most reviewers like how quickly it boils.", ["P1"]),
        ("About 60 % praise that it boils fast", ["P1"]),
        ("For some the lid won't stay on, and Acme never answered.", ["P2"]),
        ("It boils quickly, but the lid does not stay on.", ["P1", "P2"]),
        ("Four reviewers could not keep... the lid on.", ["P2"]),
    ],
)
def test_what_the_points_say_may_be_said(text, points):
    guarded = check_sentences(said(text, points), KETTLE)
    assert guarded.reasons == [] or "keep" in text
    assert guarded.text.endswith(".") or "keep" in text


@pytest.mark.parametrize(
    ("text", "points", "told"),
    [
        ("It boils quickly.", ["P3"], "'P3', which is no point"),
        ("It boils 2 litres quickly.", ["P1"], "says 2"),
        ("Everyone says it boils quickly.", ["P1"], "says everyone"),
        ("Most say the lid does not stay on.", ["P2"], "says most"),
        ("It boils quickly, unlike a Bosch.", ["P1"], '"unlike"'),
        ("The lid stays on.", ["P2"], "affirms what its points deny"),
        ("It does not boil quickly.", ["P1"], "denies what its points do not deny"),
        ("Buyers do not like how quickly it boils.", ["P1"], "finds fault"),
        ("It boils quickly <b>now</b>.", ["P1"], "markup"),
        ("See www.example.com: it boils quickly.", ["P1"], "markup"),
        ("The lid does not stay on.", ["P1"], '"lid"'),
        ("\u200b", ["P1"], "nothing"),
    ],
)
def test_what_they_do_not_say_is_refused_with_its_reason(text, points, told):
    (reason,) = check_sentences(said(text, points), KETTLE).reasons
    assert told in reason


@pytest.mark.parametrize("says", ["Stevie Wonder's best album", "I love Sony's sound", "The iPhone's case fits"])
def test_a_headline_may_be_said_again_word_for_word_with_its_names(says):
    told = [Told(id="P1", band="positive", says=says, label="x", reviews=3, of=9, percent=33, quotes=[])]
    assert check_sentences(said(f"{says}."), told).reasons == []


def test_the_others_are_kept_when_one_is_refused():
    both = Sentences(sentences=[*said("It boils quickly").sentences, *said("It is cheap.").sentences])
    guarded = check_sentences(both, KETTLE)
    assert guarded.text == "It boils quickly."
    assert len(guarded.reasons) == 1


def test_in_another_language_ids_numbers_names_and_markup_are_still_checked():
    def german(text):
        return check_sentences(said(text), KETTLE, "German").reasons

    assert german("Laut 31 von 52 kocht er schnell.") == []
    assert german("Laut 33 von 52 kocht er schnell.")
    assert german("Er kocht schnell <script>.")
