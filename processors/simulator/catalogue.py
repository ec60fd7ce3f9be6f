"""What is sold: twelve kinds of invented products and the phrases people use about each."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

from processors.simulator.phrases import Pool
from processors.simulator.truth import Opinion, Side

SIDES: tuple[Side, Side] = ("positive", "negative")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of product in the catalogue."""

    stem: str  # of product ids: "trail-runner"
    name: str
    category: str
    noun: str
    plural: bool
    banks: tuple[str, ...]  # files of phrases, without their suffix


class Wordings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people say one thing about one aspect."""

    positive: list[str]
    negative: list[str]
    salience: float = 1.0  # how readily people speak of it


class Bank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of phrases. Lists are joined over the banks of a kind."""

    aspects: dict[str, Wordings] = {}
    slots: dict[str, str] = {}
    narratives: list[str] = []
    verdicts: dict[str, list[str]] = {}
    titles: dict[str, list[str]] = {}
    safety: list[str] = []
    severe: list[str] = []


class _Catalogue(msgspec.Struct, frozen=True):
    kinds: list[Kind]


class _Languages(msgspec.Struct, frozen=True):
    languages: dict[str, Bank]


@dataclass(frozen=True, slots=True)
class Speech:
    """Everything that can be said about one kind of product in one language.

    ``verdicts`` and ``titles`` go by mood: good, mixed, bad.
    """

    opinions: dict[Opinion, Pool]
    salience: dict[str, float]
    verdicts: dict[str, Pool]
    titles: dict[str, Pool]
    narratives: Pool | None = None
    flags: dict[str, Pool] | None = None


def _read(name: str) -> bytes:
    return resources.files("processors.simulator").joinpath("bank", f"{name}.toml").read_bytes()


@cache
def kinds() -> tuple[Kind, ...]:
    """Return the catalogue; the first six are of six categories."""
    return tuple(msgspec.toml.decode(_read("catalogue"), type=_Catalogue).kinds)


@cache
def english(kind: Kind) -> Speech:
    """Return what is said in English about one kind of product.

    Raises:
        BadPhrase: If a phrase in one of its banks cannot be read.
    """
    banks = [msgspec.toml.decode(_read(name), type=Bank) for name in ["general", *kind.banks]]
    slots = _grammar(kind)
    for bank in banks:
        slots |= bank.slots
    narratives = [source for bank in banks for source in bank.narratives]
    flags = {
        "safety": Pool([source for bank in banks for source in bank.safety], slots),
        "severe": Pool([source for bank in banks for source in bank.severe], slots),
    }
    return _speech(banks, slots, Pool(narratives, slots), flags)


@cache
def foreign(language: str) -> Speech:
    """Return the few things buyers say in another language, whatever the product.

    Raises:
        KeyError: If the language is not one of ``FOREIGN_LANGUAGES``.
    """
    bank = msgspec.toml.decode(_read("languages"), type=_Languages).languages[language]
    return _speech([bank], bank.slots)


FOREIGN_LANGUAGES = ("de", "es", "fr")


def _speech(
    banks: list[Bank], slots: dict[str, str], narratives: Pool | None = None, flags: dict[str, Pool] | None = None
) -> Speech:
    aspects = {aspect: wordings for bank in banks for aspect, wordings in bank.aspects.items()}
    return Speech(
        opinions={
            Opinion(aspect, side): Pool(getattr(wordings, side), slots)
            for aspect, wordings in aspects.items()
            for side in SIDES
        },
        salience={aspect: wordings.salience for aspect, wordings in aspects.items()},
        verdicts={mood: Pool(sources, slots) for bank in banks for mood, sources in bank.verdicts.items()},
        titles={mood: Pool(sources, slots) for bank in banks for mood, sources in bank.titles.items()},
        narratives=narratives,
        flags=flags,
    )


def _grammar(kind: Kind) -> dict[str, str]:
    """Return the words that depend on whether there is one of it or a pair."""
    names = ("it", "them", "its", "this", "is", "was", "has", "does", "s")
    singular = ("it", "it", "its", "this", "is", "was", "has", "does", "s")
    plural = ("they", "them", "their", "these", "are", "were", "have", "do", "")
    words = dict(zip(names, plural if kind.plural else singular, strict=True))
    return {**words, "noun": kind.noun, "name": kind.name}
