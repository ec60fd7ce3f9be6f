"""What is sold: twelve kinds of invented products and the phrases people use about each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
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
    synonyms: dict[str, str] = {}
    tails: dict[str, list[str]] = {}
    leads: dict[str, list[str]] = {}
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
class EnglishSpeech:
    """What only English reviews hold.

    Args:
        narratives: What surrounds an opinion and says nothing of the product.
        tails: What may be added to an opinion, by side.
        leads: What may open a sentence, by side, or on ``any`` side.
        flags: Remarks somebody should read, by kind.
    """

    narratives: Pool
    tails: Mapping[str, Pool]
    leads: Mapping[str, Pool]
    flags: Mapping[str, Pool]


@dataclass(frozen=True, slots=True)
class Speech:
    """Everything that can be said about one kind of product in one language.

    ``verdicts`` and ``titles`` go by mood: good, mixed, bad. What buyers abroad do not say is ``None``.
    """

    opinions: Mapping[Opinion, Pool]
    salience: Mapping[str, float]
    verdicts: Mapping[str, Pool]
    titles: Mapping[str, Pool]
    english: EnglishSpeech | None


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
    banks = [msgspec.toml.decode(_read(name), type=Bank) for name in ["general", "synonyms", *kind.banks]]
    bank = _joined(banks)
    slots = _grammar(kind) | bank.slots
    pools = partial(_pools, slots=slots)
    only_english = EnglishSpeech(
        narratives=Pool(bank.narratives, slots),
        tails=pools(bank.tails),
        leads=pools(bank.leads),
        flags=pools({"safety": bank.safety, "severe": bank.severe}),
    )
    return _speech(bank, slots, only_english)


@cache
def foreign(language: str) -> Speech:
    """Return the few things buyers say in another language, whatever the product.

    Raises:
        KeyError: If the language is not one of ``FOREIGN_LANGUAGES``.
    """
    bank = msgspec.toml.decode(_read("languages"), type=_Languages).languages[language]
    return _speech(bank, bank.slots, None)


FOREIGN_LANGUAGES = ("de", "es", "fr")


def _joined(banks: Sequence[Bank]) -> Bank:
    """Return one bank with everything in it; the first one is the general one."""
    general = banks[0]
    return Bank(
        aspects={aspect: wordings for bank in banks for aspect, wordings in bank.aspects.items()},
        slots=general.slots,
        synonyms={words: choice for bank in banks for words, choice in bank.synonyms.items()},
        tails=general.tails,
        leads=general.leads,
        narratives=[source for bank in banks for source in bank.narratives],
        verdicts=general.verdicts,
        titles=general.titles,
        safety=[source for bank in banks for source in bank.safety],
        severe=[source for bank in banks for source in bank.severe],
    )


def _pools(sources: Mapping[str, Sequence[str]], slots: Mapping[str, str]) -> dict[str, Pool]:
    return {name: Pool(phrases, slots) for name, phrases in sources.items()}


def _speech(bank: Bank, slots: Mapping[str, str], only_english: EnglishSpeech | None) -> Speech:
    opinions = {
        Opinion(aspect, side): Pool(getattr(wordings, side), slots, bank.synonyms)
        for aspect, wordings in bank.aspects.items()
        for side in SIDES
    }
    return Speech(
        opinions=opinions,
        salience={aspect: wordings.salience for aspect, wordings in bank.aspects.items()},
        verdicts=_pools(bank.verdicts, slots),
        titles=_pools(bank.titles, slots),
        english=only_english,
    )


def _grammar(kind: Kind) -> dict[str, str]:
    """Return the words that depend on whether there is one of it or a pair."""
    names = ("it", "them", "its", "this", "is", "was", "has", "does", "s")
    singular = ("it", "it", "its", "this", "is", "was", "has", "does", "s")
    plural = ("they", "them", "their", "these", "are", "were", "have", "do", "")
    words = dict(zip(names, plural if kind.plural else singular, strict=True))
    return {**words, "noun": kind.noun, "name": kind.name}
