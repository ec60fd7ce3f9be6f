"""Write review-like segments about many kinds of things, from the templates in ``phrases.toml``."""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

PHRASES = Path(__file__).parent / "phrases.toml"

_SLOT = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Za-z]{3,}")

Slots = Mapping[str, Sequence[str]]


def read_phrases(path: Path = PHRASES) -> dict[str, Slots]:
    """Return the slots and their fillings of each domain, the shared ones among them.

    Raises:
        OSError: If the file cannot be read.
        tomllib.TOMLDecodeError: If it is no TOML.
    """
    domains: dict[str, dict[str, list[str]]] = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = domains.pop("shared")
    return {name: {**shared, **domain} for name, domain in domains.items()}


def write_segments(domains: Mapping[str, Slots], count: int, seed: int) -> list[str]:
    """Return ``count`` different segments, the domains taking turns.

    Args:
        domains: What :func:`read_phrases` returns; each has the slot ``any``, the templates to start from.
        count: How many; must be far below what the templates can make.
        seed: Same seed, same segments.
    """
    rng = random.Random(seed)  # noqa: S311 -- reproducible choice, no secret
    takers = list(domains.values())
    segments: dict[str, None] = {}
    turn = 0
    while len(segments) < count:
        segments[_fill("{any}", takers[turn % len(takers)], rng)] = None
        turn += 1
    return list(segments)


def move_segments(
    segments: Sequence[str], source: Slots, domains: Mapping[str, Slots], count: int, seed: int
) -> list[str]:
    """Return segments whose things and parts are replaced by other domains': real syntax with other subjects.

    Args:
        segments: Real ones about ``source``; those naming none of its things and parts are passed over.
        source: The domain they speak of.
        domains: Where the replacements come from, taking turns.
        count: How many at most.
        seed: Same seed, same segments.
    """
    rng = random.Random(seed)  # noqa: S311 -- reproducible choice, no secret
    slots = {form: slot for slot in ("part", "thing") for noun in source[slot] for form in _forms(noun)}
    takers = list(domains.values())
    moved: list[str] = []
    for segment in segments:
        domain = takers[len(moved) % len(takers)]
        replaced = _WORD.sub(lambda word: _replacement(word[0], slots, domain, rng), segment)  # noqa: B023 -- used at once
        if replaced != segment:
            moved.append(replaced)
        if len(moved) == count:
            break
    return moved


def plant_words(segments: Sequence[str], words: Sequence[str], common: frozenset[str], seed: int) -> list[str]:
    """Return one segment for each word, in place of a word that is not ``common``.

    The domains know 3,000 words; reviews use many more. This gives each a sentence to be learnt from.

    Args:
        segments: At least as many as words.
        words: What to plant, lower case.
        common: Words to leave standing, lower case.
        seed: Same seed, same segments.
    """
    rng = random.Random(seed)  # noqa: S311 -- reproducible choice, no secret
    planted = []
    for segment, word in zip(segments, words, strict=False):
        places = [place.span() for place in _WORD.finditer(segment) if place[0].lower() not in common]
        start, end = rng.choice(places or [(0, 0)])
        planted.append(f"{segment[:start]}{word}{segment[end:]}" if places else f"{word} {segment}")
    return planted


def _forms(noun: str) -> set[str]:
    return {noun, noun.removesuffix("s"), noun + "s", noun + "es"}


def _replacement(word: str, slots: Mapping[str, str], domain: Slots, rng: random.Random) -> str:
    slot = slots.get(word.lower())
    return word if slot is None else rng.choice(domain[slot])


def _fill(template: str, slots: Slots, rng: random.Random) -> str:
    while match := _SLOT.search(template):
        template = template[: match.start()] + rng.choice(slots[match[1]]) + template[match.end() :]
    return template
