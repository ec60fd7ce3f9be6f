import numpy as np

from processors.digest.clusters import Cluster
from processors.digest.head import Head, named_terms
from processors.language.lexicon import CONCEPT_OF
from processors.language.readability import readability
from processors.points.grouping import Group
from processors.points.salience import Salience
from processors.points.support import Profile, speak
from processors.points.wording import Wording


def profile(words: dict[str, int], claims: int = 10, polarity: float = -1.0) -> Profile:
    wording = Wording([Cluster(0, claims, claims, polarity * claims, words, [])], Salience(Head()))
    return Profile(wording, Group([0], (1 << claims) - 1, wording.counts.sum(axis=0), claims, polarity))


def test_a_quote_of_the_groups_terms_is_more_typical_than_one_without() -> None:
    zips = profile({"zipper": 8, "broke": 6, "parade": 1})
    typical, stray = speak("The zipper broke at once"), speak("It rained on my parade")
    assert zips.typicality(typical) == 1.0
    assert zips.typicality(stray) < 0.6


def test_a_quote_of_the_other_side_is_less_typical_and_backs_nothing() -> None:
    zips = profile({"zipper": 8})
    bad, good = speak("The zipper is terrible"), speak("The zipper is great")
    assert zips.typicality(good) < zips.typicality(bad)
    assert not zips.backs(good, bad)


def test_a_quote_without_an_opinion_or_with_words_of_its_own_is_less_typical() -> None:
    zips = profile({"zipper": 8})
    assert zips.typicality(speak("It has a zipper")) < zips.typicality(speak("The zipper is terrible"))
    assert zips.typicality(speak("The zipper is terrible in Utah")) < zips.typicality(speak("The zipper is terrible"))


def test_quotes_back_each_other_by_a_shared_term_or_aspect() -> None:
    failures = profile({"died": 5, "failed": 4, "zipper": 4, "pocket": 4})
    assert CONCEPT_OF["died"] == CONCEPT_OF["failed"]
    assert failures.backs(speak("It died after a week"), speak("The card failed twice"))
    assert not failures.backs(speak("It died after a week"), speak("The zipper is torn"))


def test_a_term_that_hardly_any_claim_of_the_group_uses_backs_nothing() -> None:
    zips = profile({"zipper": 10, "pocket": 8, "parade": 1})
    assert not zips.backs(speak("It rained on the parade"), speak("The parade was wet"))


def test_a_frequent_name_is_not_what_an_opinion_is_about() -> None:
    counts = Head(review_count=100, terms={"sandisk": 20, "speed": 20}, named={"sandisk": 12})
    salience = Salience(counts)
    assert salience["sandisk"] < 0.3 * salience["speed"]
    assert list(named_terms("Sturdy. Beats any SanDisk or GREAT card")) == ["sandisk"]


def test_common_words_of_one_aspect_are_added_up() -> None:
    wording = Wording([Cluster(0, 4, 4, 0.0, {"died": 2, "failed": 2, "zipper": 3}, [])], Salience(Head()))
    assert wording.common(wording.counts) == np.float32([4.0])


def test_a_claim_that_repeats_itself_or_speaks_of_other_pages_makes_a_poorer_headline() -> None:
    plain = "The price was very good for the quality."
    for poor in ("The price was very good for the price.", "The rating was very good for the quality."):
        assert readability(poor, poor.lower().strip(".").split()) < readability(plain, plain.lower().strip(".").split())
