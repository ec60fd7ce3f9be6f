"""Sentences about invented points, faithful ones and such as models make up; all chance comes from a seed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from processors.simulator.catalogue import english, kinds
from processors.texts.told import Told

SPEAKERS = {
    "positive": ["Many reviewers say that", "Buyers like that", "Those who are happy report that", "Some praise that"],
    "negative": ["Several reviewers complain that", "Some buyers report that", "Unhappy customers say that"],
}
PERSONS = {
    "i": "they",
    "i'm": "they are",
    "i've": "they have",
    "i'd": "they would",
    "me": "them",
    "my": "their",
    "mine": "theirs",
    "we": "they",
    "our": "their",
    "us": "them",
    "myself": "themselves",
    "you": "one",
}
OTHER_WORDS = {
    "quick": "fast",
    "quickly": "fast",
    "great": "excellent",
    "terrible": "awful",
    "sturdy": "solid",
    "tiny": "very small",
    "big": "large",
    "cheap": "inexpensive",
    "loud": "noisy",
    "quiet": "silent",
    "comfortable": "comfy",
    "broke": "died",
    "totally": "completely",
    "constantly": "all the time",
    "difficult": "hard",
    "bought": "purchased",
    "lovely": "beautiful",
}
BRANDS = ["Sony", "Samsung", "Ikea", "Bosch", "Nike", "AirPods", "Amazon", "Philips", "KitchenAid", "Levis"]
CAUSES = [
    "because the factory changed its supplier",
    "which the manufacturer has fixed since",
    "so it is best to order one size up",
    "and the warranty covers it",
    "after the latest firmware update",
    "thanks to its titanium frame",
    "and doctors recommend it",
    "which makes it ideal for camping",
    "as independent tests have shown",
]
VERB = re.compile(r"\b(is|are|was|were|does|do|did|has|have|can|will|would)\b(?! not|n't)", re.IGNORECASE)
DENIAL = re.compile(r"\b(not|never|no|hardly|barely|without)\b ?|n't\b", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    kind: str
    material: list[Told]
    text: str
    points: list[str]


def material(random: Random) -> tuple[list[Told], list[str]]:
    """Invent five points of one product, and claims that none of them makes."""
    kind, other = random.sample(kinds(), 2)
    opinions = english(kind).opinions
    chosen = random.sample(sorted(opinions, key=str), len(opinions))
    told, strange = [], []
    for side, count in (("positive", 3), ("negative", 2)):
        some = [one for one in chosen if one.side == side]
        for one in some[:count]:
            quotes = [opinions[one].write(random) for _ in range(3)]
            of = random.randint(12, 90)
            reviews = random.randint(3, of * 2 // 3)
            told.append(
                Told(
                    id=f"P{len(told) + 1}",
                    band=side,
                    says=quotes[0],
                    label=one.aspect,
                    reviews=reviews,
                    of=of,
                    percent=round(100 * reviews / of),
                    quotes=quotes,
                )
            )
    pools = english(other).opinions
    strange = [pools[one].write(random) for one in random.sample(sorted(pools, key=str), 3)]
    return told, strange


def faithful(count: int, seed: int = 1) -> Iterator[Case]:
    """Yield sentences that say what their points say, as a careful writer would."""
    ways = (_told_of, _counted, _shared, _joined, _shortened, _reworded, _quoted, _turned_round)
    for number in range(count):
        random = Random(f"{seed}/faithful/{number}")
        told, _ = material(random)
        way = ways[number % len(ways)]
        yield Case(way.__name__, told, *way(told, random))


def made_up(count: int, seed: int = 1) -> Iterator[Case]:
    """Yield sentences that say something their points do not say."""
    ways = (
        _wrong_count,
        _number_added,
        _brand,
        _denied,
        _claim_of_another,
        _wrong_point,
        _word_swapped,
        _cause,
        _everyone,
        _address,
    )
    for number in range(count):
        random = Random(f"{seed}/made up/{number}")
        told, strange = material(random)
        way = ways[number % len(ways)]
        yield Case(way.__name__, told, *way(told, strange, random))


def third_person(text: str) -> str:
    words = [PERSONS.get(word.lower(), word) for word in text.split()]
    return " ".join(words)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text.split()[0] not in {"I", "I've"} else text


def _frame(one: Told, random: Random, quote: str | None = None) -> str:
    return f"{random.choice(SPEAKERS[one.band])} {third_person(_lower(quote or one.says))}."


def _told_of(told, random):
    one = random.choice(told)
    return _frame(one, random), [one.id]


def _counted(told, random):
    one = random.choice(told)
    return f"{one.reviews} of {one.of} reviewers say that {third_person(_lower(one.says))}.", [one.id]


def _shared(told, random):
    one = random.choice(told)
    return f"About {one.percent} % of them report that {third_person(_lower(one.says))}.", [one.id]


def _joined(told, random):
    one, other = random.sample(told, 2)
    text = f"{third_person(one.says)}, while others find that {third_person(_lower(other.says))}."
    return text, [one.id, other.id]


def _shortened(told, random):
    one = random.choice(told)
    return _frame(one, random, one.says.split(",")[0]), [one.id]


def _reworded(told, random):
    one = random.choice(told)
    words = [OTHER_WORDS.get(word.lower(), word) for word in one.says.split()]
    return _frame(one, random, " ".join(words)), [one.id]


def _quoted(told, random):
    one = random.choice(told)
    return _frame(one, random, one.quotes[-1]), [one.id]


def _turned_round(told, random):
    one = random.choice(told)
    first, _, rest = one.says.partition(", ")
    return f"{third_person(rest or first)}, {third_person(_lower(first))}." if rest else _frame(one, random), [one.id]


def _wrong_count(told, strange, random):
    one = random.choice(told)
    return f"{one.reviews + one.of} of {one.of + 7} reviewers say that {third_person(_lower(one.says))}.", [one.id]


def _number_added(told, strange, random):
    one = random.choice(told)
    return f"{_frame(one, random)[:-1]} for {random.randint(101, 999)} days.", [one.id]


def _brand(told, strange, random):
    one = random.choice(told)
    return f"{_frame(one, random)[:-1]}, unlike {random.choice(BRANDS)}.", [one.id]


def _denied(told, strange, random):
    """Deny what is affirmed, or affirm what is denied."""
    for one in random.sample(told, len(told)):
        said = third_person(one.says)
        if any(DENIAL.search(quote) for quote in one.quotes):
            continue
        if VERB.search(said):
            return VERB.sub(lambda verb: f"{verb.group()} not", said, count=1) + ".", [one.id]
    one = told[0]
    return f"Nobody says that {_lower(one.says)}.", [one.id]


def _claim_of_another(told, strange, random):
    one = random.choice(told)
    return f"Many reviewers say that {third_person(_lower(random.choice(strange)))}.", [one.id]


def _wrong_point(told, strange, random):
    one, other = random.sample(told, 2)
    return _frame(one, random), [other.id]


def _word_swapped(told, strange, random):
    """Put one longer word of another claim into the place of one of ours."""
    one = random.choice(told)
    words = third_person(one.says).split()
    foreign = [word.strip(",.").lower() for claim in strange for word in claim.split() if len(word) > 6]
    foreign = [word for word in foreign if word not in " ".join(one.quotes).lower()] or ["bicycle"]
    place = max(range(len(words)), key=lambda number: len(words[number]))
    words[place] = random.choice(foreign)
    return f"Some say that {_lower(' '.join(words))}.", [one.id]


def _cause(told, strange, random):
    one = random.choice(told)
    return f"{_frame(one, random)[:-1]} {random.choice(CAUSES)}.", [one.id]


def _everyone(told, strange, random):
    one = random.choice(told)
    who = "Everyone says" if random.random() < 0.5 or one.percent >= 50 else "Most say"
    return f"{who} that {third_person(_lower(one.says))}.", [one.id]


def _address(told, strange, random):
    one = random.choice(told)
    return f"{_frame(one, random)[:-1]}, see https://example.com/{random.randint(1, 9)}.", [one.id]
