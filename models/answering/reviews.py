"""Questions over the simulator's reviews: each aspect a review speaks of is an answer, each it does not is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

import msgspec

from models.answering.exercises import Exercise, passage
from processors.language.claims import words_of
from processors.language.lexicon import sense
from processors.simulator.phrases import Pool
from processors.simulator.randomness import seeded
from processors.simulator.simulator import Simulator
from processors.simulator.truth import Mention

PRODUCTS = 12
DRAFTS = 4_000
LEAST_REVIEWS = 10
ANSWERED = 0.45
"""Share of questions that are answered."""
RELATED = 0.7
"""Share of the others that ask for something buyers of the same product speak of elsewhere."""
BUYERS_WORD = 0.68
"""Share of questions that name their matter as buyers do."""
OWN_QUESTION = 0.25
NAMED = 0.07
"""Share of reviews that name in passing what is asked about without saying how it is."""
NEARLY = 0.08
"""Share of reviews that name it beside a judgement of something else."""
STORIES = 1.5
"""Sentences without any judgement for each review, at most."""
EARLY = 0.4
"""Share of answered questions whose answer comes first: asked is what a review is mostly about."""
ELABORATED = 0.6
"""Share of answering reviews that name it again after they have said how it is."""
LOWER_CASE = 0.1


class Bank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nouns and questions by aspect."""

    questions: list[str]
    mentions: list[str]
    near_misses: list[str]
    stories: list[str]
    elaborations: list[str]
    slots: dict[str, str]
    aspects: dict[str, list[str]]


@cache
def _bank() -> Bank:
    return msgspec.toml.decode(files("models.answering").joinpath("reviews.toml").read_bytes(), type=Bank)


@dataclass(frozen=True, slots=True)
class Told:
    """One review and what it says."""

    text: str
    mentions: tuple[Mention, ...]


def review_exercises(count: int, seed: int) -> Iterator[Exercise]:
    """Yield questions over single long reviews, more than half of them not answered there.

    Args:
        count: How many.
        seed: Equal seeds give equal exercises.
    """
    random, products = seeded(seed, "questions", 0), _reviews(seed)
    for number in range(count):
        product = random.choice(products)
        drawn = random.sample(product, random.randint(1, 6))
        while not _aspects(drawn):
            drawn = random.sample(product, len(drawn))
        yield _exercise(number, drawn, product, random)


def _reviews(seed: int) -> list[list[Told]]:
    """Return English reviews by product."""
    simulator = Simulator(seed=seed, products=PRODUCTS)
    by_product: dict[str, list[Told]] = {}
    for draft in map(simulator.draft, range(DRAFTS)):
        if draft.review.text and draft.review.language in {None, "en"}:
            by_product.setdefault(draft.review.product_id, []).append(Told(draft.review.text, draft.mentions))
    return [told for told in by_product.values() if len(told) >= LEAST_REVIEWS]


def _exercise(number: int, drawn: list[Told], product: list[Told], random: Random) -> Exercise:
    """Ask about an aspect the reviews speak of, or about another one, mostly of the same product."""
    aspects = _bank().aspects
    told, known = _aspects(drawn), _aspects(product)
    wanted = random.random() < ANSWERED
    others = sorted((known if random.random() < RELATED else aspects.keys()) - told) or sorted(aspects.keys() - told)
    aspect = random.choice(sorted(told) if wanted else others)
    mentions = [mention.text for review in (drawn if wanted else product) for mention in _of(review, aspect)]
    noun = _noun(aspect, mentions, random)
    if random.random() < EARLY:
        drawn.sort(key=lambda review: not _of(review, aspect))
    texts = _among([review.text for review in drawn], noun, random)
    if wanted and random.random() < ELABORATED:  # what a review has judged it comes back to
        texts += [_write(_bank().elaborations, noun, random) for _ in range(random.randint(1, 3))]
    text = " ".join(texts)
    named = [mention for mention in mentions if noun in words_of(mention)]
    return Exercise(
        _question(aspect, noun, random),
        (passage(number, text, None, 1.0, "review"),),
        answers=frozenset((named[:1] or mentions) if wanted else ()),  # a reader marks one answer: the first
        related=frozenset(mentions).difference(named) if wanted else frozenset(),
    )


def _among(texts: list[str], noun: str, random: Random) -> list[str]:
    """Return texts with sentences between them that answer nothing, whatever they speak of."""
    others = [_write(_bank().stories, noun, random) for _ in range(random.randint(0, round(STORIES * len(texts))))]
    for share, sources in ((NAMED, _bank().mentions), (NEARLY, _bank().near_misses)):
        others += [_write(sources, noun, random) for _ in range(len(texts) + 1) if random.random() < share]
    texts = list(texts)
    for other in others:
        texts.insert(random.randrange(len(texts) + 1), other)
    return texts


def _write(sources: list[str], noun: str, random: Random) -> str:
    return Pool(sources, {**_bank().slots, "noun": noun}).write(random)


def _aspects(reviews: list[Told]) -> set[str]:
    return {mention.opinion.aspect for review in reviews for mention in review.mentions} & _bank().aspects.keys()


def _of(review: Told, aspect: str) -> list[Mention]:
    return [mention for mention in review.mentions if mention.opinion.aspect == aspect]


def _noun(aspect: str, mentions: list[str], random: Random) -> str:
    """Return what the question calls the aspect: mostly a word that buyers use for it."""
    words = [word for text in mentions for word in words_of(text) if sense(word).term and not sense(word).value]
    if words and random.random() < BUYERS_WORD:
        return random.choice(words)
    return random.choice([noun for noun in _bank().aspects[aspect] if not noun.endswith("?")])


def _question(aspect: str, noun: str, random: Random) -> str:
    own = [question for question in _bank().aspects[aspect] if question.endswith("?")]
    if own and random.random() < OWN_QUESTION:
        question = Pool(own, {}).write(random)
    else:
        question = Pool(_bank().questions, {"noun": noun}).write(random)
    return question.lower() if random.random() < LOWER_CASE else question
