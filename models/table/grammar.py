"""Write review-like segments about many kinds of things, from the templates in ``phrases.toml``."""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

PHRASES = Path(__file__).parent / "phrases.toml"
_SLOT = re.compile(r"\{(\w+)\}")

Slots = Mapping[str, Sequence[str]]


def read_phrases(path: Path = PHRASES) -> list[Slots]:
    """Return one mapping of slot to fillings for each domain, the shared slots among them.

    Raises:
        OSError: If the file cannot be read.
        tomllib.TOMLDecodeError: If it is no TOML.
    """
    domains: dict[str, dict[str, list[str]]] = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = domains.pop("shared")
    return [{**shared, **domain} for domain in domains.values()]


def write_segments(domains: Sequence[Slots], count: int, seed: int) -> list[str]:
    """Return ``count`` different segments, the domains taking turns.

    Args:
        domains: What :func:`read_phrases` returns; each has the slot ``any``, the templates to start from.
        count: How many; must be far below what the templates can make.
        seed: Same seed, same segments.
    """
    rng = random.Random(seed)  # noqa: S311 -- reproducible choice, no secret
    segments: dict[str, None] = {}
    turn = 0
    while len(segments) < count:
        segments[_fill("{any}", domains[turn % len(domains)], rng)] = None
        turn += 1
    return list(segments)


def write_word_segments(domains: Sequence[Slots], words: Sequence[str], seed: int) -> list[str]:
    """Return one segment for each word, in which it stands for the thing or part that is spoken of.

    The domains know 3,000 words; reviews use many more. This gives each of MiniLM's a sentence to learn from.
    """
    rng = random.Random(seed)  # noqa: S311 -- reproducible choice, no secret
    segments = []
    for number, word in enumerate(words):
        domain = domains[number % len(domains)]
        slot = rng.choice(("thing", "part"))
        segments.append(_fill(rng.choice(_templates_with(domain, slot)), {**domain, slot: [word]}, rng))
    return segments


def _templates_with(domain: Slots, slot: str) -> list[str]:
    return [template for template in domain["any"] if f"{{{slot}}}" in template]


def _fill(template: str, slots: Slots, rng: random.Random) -> str:
    while match := _SLOT.search(template):
        template = template[: match.start()] + rng.choice(slots[match[1]]) + template[match.end() :]
    return template
