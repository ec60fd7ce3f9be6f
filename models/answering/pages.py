"""Questions over invented documentation: each fact is told and asked in several ways."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from typing import NamedTuple

import msgspec

from models.answering.exercises import Exercise, passage
from processors.simulator.phrases import Pool
from processors.simulator.randomness import seeded
from schemas.hits import Passage

FACTS = (5, 14)
SENTENCES = (2, 6)
"""Facts of a page and sentences of a passage, least and most."""
ANSWERED = 0.45
"""Share of questions that are answered: people ask for more than is told."""
ECHOED = 0.15
"""Share of pages that repeat what is asked, in words of their own or the question's, and answer nothing by it."""


class Wording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a fact is told and asked."""

    told: list[str]
    asked: list[str]


class Bank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a page is made of."""

    things: list[str]
    tools: list[str]
    commands: list[str]
    names: list[str]
    paths: list[str]
    fillers: list[str]
    echoes: list[str]
    facts: dict[str, Wording]


class Fact(NamedTuple):
    """What a sentence tells, of what."""

    kind: str
    thing: str


@cache
def _bank() -> Bank:
    return msgspec.toml.decode(files("models.answering").joinpath("pages.toml").read_bytes(), type=Bank)


def page_exercises(count: int, seed: int) -> Iterator[Exercise]:
    """Yield questions over passages of one page each, more than half of them about facts the page does not tell.

    Args:
        count: How many.
        seed: Equal seeds give equal exercises.
    """
    random, bank = seeded(seed, "pages", 0), _bank()
    for _ in range(count):
        yield _exercise(bank, random)


def _exercise(bank: Bank, random: Random) -> Exercise:
    tool, things = random.choice(bank.tools), random.sample(bank.things, random.randint(2, 5))
    every = [Fact(kind, thing) for kind in bank.facts for thing in things]
    random.shuffle(every)
    facts = every[: random.randint(*FACTS)]
    asked = random.choice(facts) if random.random() < ANSWERED else random.choice(every[len(facts) :])
    sentences = {fact: _write(bank.facts[fact.kind].told, bank, tool, fact.thing, random) for fact in facts}
    fillers = [_write(bank.fillers, bank, tool, random.choice(things), random) for _ in range(random.randint(1, 8))]
    question = _write(bank.facts[asked.kind].asked, bank, tool, asked.thing, random)
    echoes = [_echo(bank, asked, tool, question, random)] if random.random() < ECHOED else []
    listed = [*sentences.values(), *fillers, *echoes]
    random.shuffle(listed)
    answers = frozenset({sentences[asked]} if asked in sentences else ())
    return Exercise(question, _passages(listed, tool, things, answers, random), answers)


def _echo(bank: Bank, asked: Fact, tool: str, question: str, random: Random) -> str:
    again = random.choice((question, _write(bank.facts[asked.kind].asked, bank, tool, asked.thing, random)))
    return Pool(bank.echoes, {"question": again[:1].lower() + again[1:].rstrip("?")}).write(random)


def _write(sources: Sequence[str], bank: Bank, tool: str, thing: str, random: Random) -> str:
    slots = {
        "tool": tool,
        "thing": thing,
        "n": str(random.choice((2, 3, 5, 7, 12, 24, 30, 90, 365, 500, 4040, 8125, 9402))),
        "path": random.choice(bank.paths),
        "command": random.choice(bank.commands),
        "name": random.choice(bank.names),
    }
    text = Pool(sources, slots).write(random)
    return text[0].upper() + text[1:] if text.endswith(".") else text


def _passages(
    listed: list[str], tool: str, things: list[str], answers: frozenset[str], random: Random
) -> tuple[Passage, ...]:
    groups = []
    while listed:
        size = random.randint(*SENTENCES)
        groups.append(listed[:size])
        listed = listed[size:]
    groups.sort(key=lambda group: random.random() + (0.6 if answers.isdisjoint(group) else 0.0))
    scores = sorted((random.uniform(0.2, 1.0) for _ in groups), reverse=True)
    return tuple(
        passage(
            number, " ".join(group), f"{tool}: {_headline(group, [random.choice(things), *things])}", score, "document"
        )
        for number, (group, score) in enumerate(zip(groups, scores, strict=True))
    )


def _headline(group: list[str], things: list[str]) -> str:
    """Return the first of the things that a passage speaks of."""
    return next((thing for thing in things if any(thing in sentence for sentence in group)), things[0])
