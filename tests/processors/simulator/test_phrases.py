import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.simulator.catalogue import FOREIGN_LANGUAGES, english, foreign, kinds
from processors.simulator.phrases import BadPhrase, Pool, count_wordings, parse, with_synonyms


def test_choices_nest_and_may_be_empty():
    pool = Pool(["a[ b[ c|]|]"], {})
    assert {pool.write(Random(seed)) for seed in range(50)} == {"A", "A b", "A b c"}


def test_slots_stand_for_phrases_with_choices_and_slots_of_their_own():
    slots = {"it": "they", "after": "after [a day|{weeks}]", "weeks": "two weeks|a month"}
    assert count_wordings(parse("{it} broke {after}", slots)) == 3


@pytest.mark.parametrize("source", ["[a|b", "a]", "a|b", "[a|[b]", "{nobody} knows"])
def test_a_phrase_that_cannot_be_read_is_refused(source):
    with pytest.raises(BadPhrase):
        parse(source, {})


def test_a_pool_without_phrases_is_refused():
    with pytest.raises(BadPhrase):
        Pool([], {})


def test_synonyms_replace_whole_words_of_any_case_and_leave_slots_alone():
    told = with_synonyms("Great greatness, a {great} great deal", {"great": "great|superb"})
    assert told == "[great|superb] greatness, a {great} [great|superb] deal"


@settings(deadline=None)  # the first draft of a kind reads its phrases
@given(st.integers())
def test_a_wording_is_capitalised_and_its_spaces_are_in_order(seed):
    text = Pool(["[very |]nice [indeed|], [thanks |]really[ |]"], {}).write(Random(seed))
    assert text[0].isupper()
    assert text == text.strip()
    assert "  " not in text
    assert " ," not in text


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.stem)
def test_each_opinion_about_a_product_can_be_worded_in_many_ways(kind):
    speech = english(kind)
    aspects = {opinion.aspect for opinion in speech.opinions}
    assert 8 <= len(aspects) <= 12
    assert len(speech.opinions) == 2 * len(aspects)
    assert min(pool.wordings for pool in speech.opinions.values()) >= 90
    assert sum(pool.wordings for pool in speech.opinions.values()) > 3_000


@pytest.mark.parametrize("language", FOREIGN_LANGUAGES)
def test_buyers_abroad_have_opinions_every_product_has(language):
    aspects = {opinion.aspect for opinion in foreign(language).opinions}
    assert all(aspects <= {opinion.aspect for opinion in english(kind).opinions} for kind in kinds())


SLIPS = {
    "a before a vowel": r"\ba (?!useless|unique|one|used|usu|euro)[aeiou]\w+",
    "an before a consonant": r"\ban (?!hour|honest)[^aeiou\W]\w+",
    "a word twice": r"(?<!love )\b(?!love)(\w+) \1\b",
    "one of a pair": r"\bthey (is|was|has|does|doesn't|isn't)\b|\bit (are|were|have|do|don't)\b",
    "markup": r"[\[\]{}|]| ,|  ",
}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.stem)
def test_wordings_keep_to_simple_rules_of_grammar(kind):
    random, speech = Random(1), english(kind)
    pools = [speech.english.narratives, *speech.opinions.values(), *speech.verdicts.values()]
    pools += [*speech.english.flags.values(), *speech.english.leads.values(), *speech.titles.values()]
    for text in (pool.write(random).lower() for pool in pools for _ in range(150)):
        slips = [name for name, pattern in SLIPS.items() if re.search(pattern, text)]
        assert not slips, f"{slips}: {text}"
